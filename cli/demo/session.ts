import { type AppState, choices, type Customer, type Mail, mails, type MenuName, menus, openingState } from './desk.ts'
import { Hand, type Moment, type SessionEvent } from './hand.ts'
import * as layout from './layout.ts'
import { createRandom } from './random.ts'

export interface SessionOptions {
  readonly seed: number
  readonly seconds: number
  /** Epoch milliseconds at the session's beginning, the base of every record's `t`. */
  readonly startMs: number
}

export interface Session {
  /** In order of time, all before the session's end. */
  readonly events: readonly SessionEvent[]
  /** What the screen shows; the same object for as long as nothing changes. */
  readonly appStateAt: (ms: number) => AppState
}

/** What the simulated person is about: each step acts, then names the next. */
type Step = 'look' | 'inbox' | 'lookup' | 'assign' | 'edit' | 'classify' | 'save' | 'reply'

const steps: Readonly<Record<Step, (hand: Hand) => Step>> = {
  look: lookAround,
  inbox: openMail,
  lookup: openCustomer,
  assign: assignCase,
  edit: editField,
  classify: chooseOption,
  save: saveForm,
  reply: answer,
}

/** The same options give the same session: one person at a customer desk who works through the inbox. */
export function simulateSession(options: SessionOptions): Session {
  const hand = new Hand(createRandom(options.seed), openingState, options.startMs)
  const endMs = options.seconds * 1000
  hand.log('workflow', { event: 'start', app: 'Customer Desk', page: customerPage(openingState.form) })
  hand.rest(300, 600)
  let step: Step = 'inbox'
  while (hand.nowMs < endMs) step = steps[step](hand)
  const events = hand.events.filter((event) => event.atMs < endMs).sort((a, b) => a.atMs - b.atMs)
  return { events, appStateAt: (ms) => stateAt(hand.moments, ms) }
}

function stateAt(moments: readonly Moment[], ms: number): AppState {
  let low = 0
  let high = moments.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if ((moments[middle]?.atMs ?? Infinity) <= ms) low = middle
    else high = middle
  }
  return moments[low]?.state ?? openingState
}

function currentMail(state: AppState): Mail {
  return mails[state.mail] as Mail
}

function customerPage(customer: Customer): string {
  return `customer/${customer.id}`
}

/** Opens a menu of the menu bar and picks an item; `onPick` is what the application does then. */
function pickItem<Name extends MenuName>(hand: Hand, menu: Name, item: (typeof menus)[Name][number], onPick: () => void) {
  const items: readonly string[] = menus[menu]
  hand.click(layout.menuTitle(menu), () => {
    hand.change({ open: { menu } })
    hand.log('menus', { event: 'open', menu, kind: 'menu' })
  })
  hand.rest(200, 500)
  hand.click(layout.menuItem(menu, items.indexOf(item)), () => {
    hand.change({ open: undefined })
    hand.log('menus', { event: 'pick', menu, kind: 'menu', item })
    onPick()
  })
}

function lookAround(hand: Hand): Step {
  for (let glance = 0; glance < 3; glance++) {
    hand.moveTo(layout.customerRow(Math.floor(hand.random() * hand.state.customers.length)))
    hand.rest(200, 600)
  }
  return 'inbox'
}

/** Opens the next letter and reads it: first with the hand still, then along the last lines. */
function openMail(hand: Hand): Step {
  const mail = (hand.state.mail + 1) % mails.length
  hand.click(layout.mailRow(mail), () => {
    hand.change({ mail, read: [...hand.state.read, mail], reply: '', focus: undefined, status: 'Message opened' })
    hand.log('workflow', { event: 'page', page: `mail/${mail + 1}`, from: customerPage(hand.state.form) })
  })
  // Longer than two screenshots are apart, so that some show the same picture.
  hand.rest(3100, 3600)
  for (const line of layout.letterLines) hand.moveTo(line)
  return 'lookup'
}

function openCustomer(hand: Hand): Step {
  const selected = currentMail(hand.state).from
  hand.click(layout.customerRow(selected), () => {
    const form = hand.state.customers[selected] ?? hand.state.form
    hand.change({ selected, form, status: `${form.id} opened` })
    hand.log('workflow', { event: 'page', page: customerPage(form), from: `mail/${hand.state.mail + 1}` })
  })
  hand.rest(400, 800)
  return hand.random() < 0.6 ? 'assign' : 'edit'
}

function assignCase(hand: Hand): Step {
  pickItem(hand, 'Case', 'Assign to me', () => {
    hand.change({ status: 'Case assigned to desk@example.com' })
    hand.log('workflow', { event: 'assign', page: customerPage(hand.state.form) })
  })
  hand.rest(200, 500)
  return 'edit'
}

function editField(hand: Hand): Step {
  const { field, value } = currentMail(hand.state)
  hand.click(layout.fieldBox(field), () => hand.change({ focus: field, status: `Editing ${field}` }))
  const show = (typed: string) => {
    hand.change({ form: { ...hand.state.form, [field]: typed }, status: `Editing ${field}` })
  }
  hand.rest(150, 350)
  hand.shortcut(field, () => hand.change({ status: 'All selected' }))
  hand.type(field, value, show)
  hand.log('workflow', { event: 'edit', page: customerPage(hand.state.form), field })
  hand.rest(250, 500)
  return 'classify'
}

function chooseOption(hand: Hand): Step {
  const { choice, option } = currentMail(hand.state)
  hand.click(layout.fieldBox(choice), () => {
    hand.change({ focus: undefined, open: { dropdown: choice } })
    hand.log('menus', { event: 'open', menu: choice, kind: 'dropdown' })
  })
  hand.rest(250, 700)
  hand.click(layout.optionRow(choice, choices[choice].indexOf(option)), () => {
    hand.change({ open: undefined, form: { ...hand.state.form, [choice]: option }, status: `Changed ${choice}` })
    hand.log('menus', { event: 'pick', menu: choice, kind: 'dropdown', item: option })
  })
  hand.rest(200, 500)
  return 'save'
}

/** Saves from the menu, the tool bar or the form, as people do. */
function saveForm(hand: Hand): Step {
  const way = hand.random()
  if (way < 0.6) {
    pickItem(hand, 'File', 'Save', () => store(hand))
  } else {
    hand.click(way < 0.8 ? layout.toolButton('Save') : layout.saveButton, () => store(hand))
  }
  hand.rest(500, 900)
  return hand.random() < 0.85 ? 'reply' : 'look'
}

function store(hand: Hand): void {
  const { customers, selected, form } = hand.state
  hand.change({ customers: customers.with(selected, form), status: `${form.id} saved` })
  hand.log('workflow', { event: 'save', page: customerPage(form) })
}

function answer(hand: Hand): Step {
  hand.click(layout.replyBox, () => hand.change({ focus: 'reply', status: 'Writing a reply' }))
  hand.rest(200, 400)
  hand.type('reply', currentMail(hand.state).reply, (reply) => hand.change({ reply }))
  hand.rest(200, 400)
  hand.click(layout.sendButton, () => {
    hand.change({ reply: '', focus: undefined, status: 'Reply sent' })
    hand.log('workflow', { event: 'send', page: `mail/${hand.state.mail + 1}` })
  })
  hand.rest(600, 1000)
  return hand.random() < 0.3 ? 'look' : 'inbox'
}
