import type { Point } from './canvas.ts'

/** Fields filled by typing. */
type TextField = 'name' | 'company' | 'email' | 'phone' | 'street' | 'city' | 'note'
/** Fields filled from a dropdown. */
export type ChoiceField = 'country' | 'plan' | 'status' | 'priority'
export type Field = TextField | ChoiceField

/** A customer of the invented company, as the desk shows it. Every address is under example.com. */
export type Customer = Readonly<Record<Field, string>> & { readonly id: string; readonly since: number }

/** A letter in the inbox that asks for one change. */
export interface Mail {
  /** Index into `customers`. */
  readonly from: number
  readonly time: string
  readonly subject: string
  readonly body: string
  /** What the person changes in the form, to what. */
  readonly field: TextField
  readonly value: string
  readonly choice: ChoiceField
  readonly option: string
  readonly reply: string
}

/** Everything visible in the application at one moment. */
export interface AppState {
  readonly pointer: Point
  readonly customers: readonly Customer[]
  /** Index into `customers`. */
  readonly selected: number
  /** The form as edited; differs from the customer until saved. */
  readonly form: Customer
  readonly focus: TextField | 'reply' | undefined
  readonly open: { readonly menu: MenuName } | { readonly dropdown: ChoiceField } | undefined
  /** Index into `mails` of the letter on show. */
  readonly mail: number
  /** Indexes into `mails`. */
  readonly read: readonly number[]
  readonly reply: string
  readonly status: string
}

export const menus = {
  File: ['New customer', 'Open...', 'Save', 'Print...', 'Export...', 'Close window'],
  Edit: ['Undo', 'Redo', 'Cut', 'Copy', 'Paste', 'Find...'],
  Customer: ['Show orders', 'Show history', 'Merge with...', 'Archive'],
  Case: ['Assign to me', 'Raise priority', 'Add note', 'Close case'],
  View: ['Sidebar', 'Mail pane', 'Larger text'],
  Help: ['Shortcuts', 'About'],
} as const
export type MenuName = keyof typeof menus
export const menuNames = Object.keys(menus) as readonly MenuName[]

export const choices: Readonly<Record<ChoiceField, readonly string[]>> = {
  country: ['Austria', 'Canada', 'Denmark', 'Ireland', 'Portugal'],
  plan: ['Basic', 'Standard', 'Plus', 'Wholesale'],
  status: ['New', 'In progress', 'Waiting', 'Resolved'],
  priority: ['Low', 'Normal', 'High', 'Urgent'],
}

const people: readonly (readonly [name: string, company: string, street: string, city: string, country: string])[] = [
  ['Mara Quillfeather', 'Quillfeather & Sons', '14 Teal Street', 'Windmere', 'Ireland'],
  ['Odo Brackwater', 'Brackwater Boats', '2 Quay Row', 'Saltby', 'Denmark'],
  ['Ines Valdemonte', 'Valdemonte Tiles', '77 Kiln Road', 'Porto Claro', 'Portugal'],
  ['Tobin Larkspur', 'Larkspur Nursery', '9 Orchard Way', 'Greenholt', 'Canada'],
  ['Petra Stonebridge', 'Stonebridge Cycles', '31 Mill Lane', 'Alderau', 'Austria'],
  ['Jory Fennimore', 'Fennimore Books', '5 Chapel Yard', 'Windmere', 'Ireland'],
  ['Selma Duskwood', 'Duskwood Lamps', '118 Station Road', 'Nordhaven', 'Denmark'],
  ['Ruben Ashgrove', 'Ashgrove Bakery', '22 Market Square', 'Alderau', 'Austria'],
  ['Wilma Tarnfield', 'Tarnfield Wool', '6 Fell View', 'Greenholt', 'Canada'],
  ['Anselm Copperpot', 'Copperpot Kitchens', '40 Foundry Street', 'Saltby', 'Denmark'],
  ['Livia Merrowick', 'Merrowick Glass', '3 Harbour Steps', 'Porto Claro', 'Portugal'],
  ['Hugo Pinecastle', 'Pinecastle Toys', '86 Forest Avenue', 'Greenholt', 'Canada'],
  ['Dora Eastmarch', 'Eastmarch Print', '12 Press Court', 'Windmere', 'Ireland'],
  ['Kasper Holloway', 'Holloway Tents', '55 Meadow Rise', 'Nordhaven', 'Denmark'],
  ['Nina Sablewood', 'Sablewood Violins', '1 Concert Row', 'Alderau', 'Austria'],
]

const customers: readonly Customer[] = people.map(([name, company, street, city, country], index) => ({
  id: `C-${1042 + 17 * index}`,
  since: 2014 + ((index * 5) % 11),
  name,
  company,
  email: `${name.toLowerCase().replace(' ', '.')}@example.com`,
  phone: `555 01${String((index * 37 + 12) % 100).padStart(2, '0')}`,
  street,
  city,
  country,
  plan: choices.plan[(index * 3) % 4] ?? '',
  status: choices.status[(index * 5 + 2) % 4] ?? '',
  priority: choices.priority[index % 3] ?? '',
  note: index % 2 === 0 ? 'Prefers to be called in the morning.' : 'Invoices go to the office in one batch per month.',
}))

export const mails: readonly Mail[] = [
  {
    from: 3, time: '09:38', subject: 'New phone number',
    body: 'Good morning, our nursery has a new telephone line since Monday. Please use 555 0147 from now on; the old '
      + 'number will be switched off at the end of the week. Thank you, Tobin',
    field: 'phone', value: '555 0147', choice: 'status', option: 'Resolved',
    reply: 'Dear Tobin, thank you, the new number is noted.',
  },
  {
    from: 10, time: '09:21', subject: 'We are moving next month',
    body: 'Hello, from the first of December our workshop is at 28 Lantern Hill. Could you send the next delivery '
      + 'there? The pallets of sheet glass should come to the yard behind the house. Kind regards, Livia',
    field: 'street', value: '28 Lantern Hill', choice: 'priority', option: 'High',
    reply: 'Dear Livia, the next delivery goes to Lantern Hill.',
  },
  {
    from: 7, time: '08:57', subject: 'Change to a larger plan',
    body: 'Dear team, we now order flour and tins every second day. Would the Plus plan be cheaper for us? If so, '
      + 'please move us over and send the new price list. Best wishes, Ruben',
    field: 'note', value: 'Orders every second day, asked for the price list.', choice: 'plan', option: 'Plus',
    reply: 'Dear Ruben, done: you are on the Plus plan.',
  },
  {
    from: 5, time: '08:40', subject: 'Where is order 20418?',
    body: 'Hi, two boxes of shelf labels were due last Thursday and have not come yet. Can you have a look at where '
      + 'they are? We open the new room on Saturday. Jory',
    field: 'note', value: 'Two boxes late, carrier asked. Needed by Saturday.', choice: 'status', option: 'Waiting',
    reply: 'Dear Jory, the carrier has been asked to trace it.',
  },
  {
    from: 12, time: 'Fri', subject: 'Invoice to another company name',
    body: 'Hello, we have changed our name to Eastmarch Press. Please print it on all invoices as of this month. '
      + 'Everything else stays as it is. Greetings, Dora',
    field: 'company', value: 'Eastmarch Press', choice: 'status', option: 'Resolved',
    reply: 'Dear Dora, the new name is on file.',
  },
]

/** The desk at the start of the day: the second customer on show, the newest letter not opened yet. */
export const openingState: AppState = {
  pointer: { x: 640, y: 420 },
  customers,
  selected: 1,
  form: customers[1] as Customer,
  focus: undefined,
  open: undefined,
  mail: 4,
  read: [4],
  reply: '',
  status: 'Ready',
}
