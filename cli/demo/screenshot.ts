import { encode } from 'fast-png'
import {
  type Canvas, type Color, createCanvas, drawPointer, drawText, fillGradient, fillRect, fitText, frameRect, inside,
  type Point, type Rect, type TextStyle, textWidth, wrapText,
} from './canvas.ts'
import { type AppState, choices, type Customer, type Field, mails, menuNames, menus } from './desk.ts'
import * as layout from './layout.ts'

const colors = {
  ink: 0x1f2933, faint: 0x66727f, line: 0xc5ccd3, panel: 0xf3f5f7, paper: 0xffffff, accent: 0x1f6fb2, hover: 0xe3eef8,
  chosen: 0xcfe3f5, good: 0x2f9e5b, warn: 0xd98a1f, bad: 0xc94040,
} as const

const body: TextStyle = { color: colors.ink, scale: 1.5 }
const small: TextStyle = { color: colors.faint, scale: 1.25 }
const title: TextStyle = { color: colors.ink, scale: 2.25 }
const strong: TextStyle = { ...body, bold: true }

/** The whole screen at one moment, `layout.screen` in size. `clock` is the text at the bottom right. */
export function drawScreen(state: AppState, clock: string): Canvas {
  const canvas = createCanvas(layout.screen.width, layout.screen.height)
  fillRect(canvas, layout.screen, colors.panel)
  drawBars(canvas, state)
  drawSidebar(canvas, state)
  drawForm(canvas, state)
  drawOrders(canvas, state)
  drawInbox(canvas, state)
  drawLetter(canvas, state)
  drawStatus(canvas, state, clock)
  drawOpen(canvas, state)
  drawPointer(canvas, state.pointer)
  return canvas
}

/** The picture as a PNG file: eight-bit RGB; the same picture always gives the same bytes. */
export function encodeScreen(canvas: Canvas): Uint8Array {
  const { width, height, pixels } = canvas
  return encode({ width, height, data: pixels, channels: 3, depth: 8 }, { zlib: { level: 6 } })
}

function label(canvas: Canvas, rect: Rect, indent: number, text: string, style: TextStyle): void {
  drawText(canvas, { x: rect.x + indent, y: middleOf(rect, style) }, fitText(text, rect.width - indent, style), style)
}

/** The y that centres capital letters in `rect`. */
function middleOf(rect: Rect, style: TextStyle): number {
  return Math.round(rect.y + (rect.height - 7 * style.scale) / 2)
}

function button(canvas: Canvas, rect: Rect, text: string, pointer: Point, primary = false): void {
  const over = inside(rect, pointer)
  if (primary) fillGradient(canvas, rect, over ? 0x3a8bd0 : 0x2f80c4, over ? 0x2a78bb : colors.accent)
  else fillGradient(canvas, rect, 0xffffff, over ? colors.hover : 0xe6eaee)
  frameRect(canvas, rect, primary ? 0x185a92 : 0xaeb8c2)
  const style = primary ? { ...body, color: 0xffffff } : body
  label(canvas, rect, Math.round((rect.width - textWidth(text, style)) / 2), text, style)
}

function drawBars(canvas: Canvas, state: AppState): void {
  fillGradient(canvas, layout.titleBar, 0x2b4a68, 0x1e3650)
  fillRect(canvas, { x: 10, y: 8, width: 14, height: 14 }, 0x6fb1e6)
  frameRect(canvas, { x: 13, y: 11, width: 8, height: 8 }, 0xffffff)
  label(canvas, layout.titleBar, 34, `Customer Desk - ${state.form.name} (${state.form.id})`, { ...body, color: 0xffffff })
  const marks = [0x8fa6bc, 0x8fa6bc, 0xd9665f]
  marks.forEach((color, index) => fillRect(canvas, { x: 1196 + index * 28, y: 9, width: 12, height: 12 }, color))

  fillRect(canvas, layout.menuBar, 0xfafbfc)
  for (const menu of menuNames) {
    const rect = layout.menuTitle(menu)
    const opened = state.open !== undefined && 'menu' in state.open && state.open.menu === menu
    if (opened || inside(rect, state.pointer)) fillRect(canvas, rect, opened ? colors.chosen : colors.hover)
    label(canvas, rect, 10, menu, body)
  }

  fillGradient(canvas, layout.toolbar, 0xf4f6f8, 0xe4e8ec)
  fillRect(canvas, { ...layout.toolbar, y: layout.toolbar.y + layout.toolbar.height - 1, height: 1 }, colors.line)
  for (const tool of layout.toolNames) button(canvas, layout.toolButton(tool), tool, state.pointer)
  box(canvas, layout.searchBox, false)
  label(canvas, layout.searchBox, 8, 'Search customers', { ...body, color: 0x9aa5b1 })
}

function box(canvas: Canvas, rect: Rect, focused: boolean): void {
  fillRect(canvas, rect, colors.paper)
  frameRect(canvas, rect, focused ? colors.accent : 0xaeb8c2)
  if (!focused) return
  frameRect(canvas, { x: rect.x - 1, y: rect.y - 1, width: rect.width + 2, height: rect.height + 2 }, 0x8fbde4)
}

function heading(canvas: Canvas, pane: Rect, text: string): void {
  fillGradient(canvas, { ...pane, height: 29 }, 0xe9eef3, 0xdde4ea)
  fillRect(canvas, { ...pane, y: pane.y + 29, height: 1 }, colors.line)
  label(canvas, { ...pane, height: 29 }, 14, text, strong)
}

function row(canvas: Canvas, rect: Rect, chosen: boolean, pointer: Point): void {
  if (chosen) fillRect(canvas, rect, colors.chosen)
  else if (inside(rect, pointer)) fillRect(canvas, rect, colors.hover)
  if (chosen) fillRect(canvas, { ...rect, width: 4 }, colors.accent)
  fillRect(canvas, { ...rect, y: rect.y + rect.height - 1, height: 1 }, 0xe6eaee)
}

const statusColors: Readonly<Record<string, Color>> = {
  'New': colors.accent, 'In progress': colors.warn, 'Waiting': colors.bad, 'Resolved': colors.good,
}

function drawSidebar(canvas: Canvas, state: AppState): void {
  fillRect(canvas, layout.sidebar, colors.paper)
  heading(canvas, layout.sidebar, `Customers (${state.customers.length})`)
  state.customers.forEach((customer, index) => {
    const rect = layout.customerRow(index)
    const chosen = index === state.selected
    row(canvas, rect, chosen, state.pointer)
    drawText(canvas, { x: rect.x + 14, y: rect.y + 8 }, customer.name, chosen ? strong : body)
    drawText(canvas, { x: rect.x + 14, y: rect.y + 25 }, fitText(`${customer.id}  ${customer.company}`, 220, small), small)
    fillRect(canvas, { x: rect.x + 248, y: rect.y + 16, width: 9, height: 9 }, statusColors[customer.status] ?? colors.line)
  })
  fillRect(canvas, { ...layout.sidebar, x: layout.sidebar.width - 1, width: 1 }, colors.line)
}

const fieldLabels: Readonly<Record<Field, string>> = {
  name: 'Name', company: 'Company', email: 'E-mail', phone: 'Phone', street: 'Street', city: 'City', country: 'Country',
  plan: 'Plan', status: 'Status', priority: 'Priority', note: 'Note',
}

function drawForm(canvas: Canvas, state: AppState): void {
  const { form, pointer } = state
  fillRect(canvas, layout.formPane, 0xfafbfc)
  drawText(canvas, { x: 290, y: 106 }, form.name, { ...title, bold: true })
  drawText(canvas, { x: 290, y: 133 }, `${form.id}   Customer since ${form.since}`, small)
  const tabs = ['Details', 'Orders', 'History', 'Files']
  fillRect(canvas, { x: 271, y: 179, width: 559, height: 1 }, colors.line)
  tabs.forEach((text, index) => {
    const rect = { x: 290 + index * 90, y: 153, width: 86, height: 26 }
    label(canvas, rect, 6, text, index === 0 ? { ...strong, color: colors.accent } : { ...body, color: colors.faint })
    if (index === 0) fillRect(canvas, { ...rect, y: 177, height: 3 }, colors.accent)
  })
  for (const field of layout.fieldNames) drawField(canvas, state, field)
  button(canvas, layout.saveButton, 'Save', pointer, true)
  button(canvas, layout.revertButton, 'Revert', pointer)
  if (changed(state)) drawText(canvas, { x: 496, y: 577 }, 'Unsaved changes', { ...body, color: colors.warn })
}

function changed(state: AppState): boolean {
  const saved = state.customers[state.selected]
  return saved !== undefined && layout.fieldNames.some((field) => saved[field] !== state.form[field])
}

function drawField(canvas: Canvas, state: AppState, field: Field): void {
  const rect = layout.fieldBox(field)
  const focused = state.focus === field
  drawText(canvas, { x: rect.x, y: rect.y - 14 }, fieldLabels[field], small)
  if (field in choices) {
    fillGradient(canvas, rect, 0xffffff, inside(rect, state.pointer) ? colors.hover : 0xeef1f4)
    frameRect(canvas, rect, 0xaeb8c2)
    label(canvas, rect, 9, state.form[field], body)
    for (let line = 0; line < 5; line++) {
      fillRect(canvas, { x: rect.x + rect.width - 21 + line, y: rect.y + 12 + line, width: 9 - 2 * line, height: 1 }, colors.ink)
    }
    return
  }
  box(canvas, rect, focused)
  paragraph(canvas, { ...rect, x: rect.x + 9, y: rect.y + 9, width: rect.width - 18 }, state.form[field], focused)
}

/** Wrapped text in `area`, with the caret behind its end when the field has the focus. */
function paragraph(canvas: Canvas, area: Rect, text: string, caret: boolean): void {
  const lines = wrapText(text, area.width, body)
  lines.forEach((line, index) => {
    const end = drawText(canvas, { x: area.x, y: area.y + index * 20 }, line, body)
    if (caret && index === lines.length - 1) {
      fillRect(canvas, { x: end + 1, y: area.y - 2 + index * 20, width: 1, height: 16 }, colors.ink)
    }
  })
}

const articles = ['Shelf labels, box', 'Delivery crates', 'Packing paper', 'Cord, 200 m', 'Pallet wrap', 'Price tags']

function drawOrders(canvas: Canvas, state: AppState): void {
  const columns = [300, 376, 470, 662, 748]
  const header = { x: 290, y: 612, width: 520, height: 24 }
  fillRect(canvas, header, 0xe4e9ee)
  const write = (y: number, cells: readonly string[], style: TextStyle) => cells.forEach((cell, index) => {
    drawText(canvas, { x: columns[index] ?? 0, y }, cell, style)
  })
  write(header.y + 8, ['Order', 'Date', 'Article', 'Amount', 'State'], { ...small, color: colors.ink })
  articles.forEach((_, line) => {
    const y = 636 + line * 22
    const number = state.selected * 7 + line * 3
    fillRect(canvas, { x: 290, y, width: 520, height: 22 }, line % 2 === 0 ? colors.paper : 0xf3f6f9)
    const article = articles[(state.selected + line) % articles.length] ?? ''
    const cells = [
      String(20418 - number * 3), `${String(28 - line * 4).padStart(2, '0')}.10.`, article,
      `${((number * 731) % 900) + 12}.${String((number * 37) % 100).padStart(2, '0')}`, line === 0 ? 'open' : 'paid',
    ]
    write(y + 6, cells, { ...small, color: colors.ink })
  })
  frameRect(canvas, { x: 290, y: 612, width: 520, height: 156 }, colors.line)
}

function senderOf(customers: readonly Customer[], index: number): Customer | undefined {
  return customers[mails[index]?.from ?? -1]
}

function drawInbox(canvas: Canvas, state: AppState): void {
  fillRect(canvas, layout.mailPane, colors.paper)
  const unread = mails.length - new Set(state.read).size
  heading(canvas, layout.mailPane, unread === 0 ? 'Inbox' : `Inbox (${unread} new)`)
  mails.forEach((mail, index) => {
    const rect = layout.mailRow(index)
    const isRead = state.read.includes(index)
    row(canvas, rect, index === state.mail, state.pointer)
    if (!isRead) fillRect(canvas, { x: rect.x + 8, y: rect.y + 12, width: 6, height: 6 }, colors.accent)
    drawText(canvas, { x: rect.x + 22, y: rect.y + 9 }, senderOf(state.customers, index)?.name ?? '', isRead ? body : strong)
    drawText(canvas, { x: rect.x + 22, y: rect.y + 27 }, mail.subject, small)
    drawText(canvas, { x: rect.x + 433 - textWidth(mail.time, small), y: rect.y + 10 }, mail.time, small)
  })
  fillRect(canvas, { ...layout.mailPane, width: 1 }, colors.line)
}

function drawLetter(canvas: Canvas, state: AppState): void {
  const mail = mails[state.mail]
  if (!mail) return
  const sender = senderOf(state.customers, state.mail)
  fillRect(canvas, { x: 831, y: 354, width: 449, height: 1 }, colors.line)
  drawText(canvas, { x: 846, y: 368 }, mail.subject, { ...title, scale: 2 })
  drawText(canvas, { x: 846, y: 394 }, `From: ${sender?.email ?? ''}`, small)
  drawText(canvas, { x: 846, y: 411 }, 'To: desk@example.com', small)
  fillRect(canvas, { x: 846, y: 430, width: 418, height: 1 }, 0xe6eaee)
  paragraph(canvas, { x: 846, y: 444, width: 418, height: 160 }, mail.body, false)
  drawText(canvas, { x: 846, y: 624 }, 'Reply', small)
  box(canvas, layout.replyBox, state.focus === 'reply')
  const inner = { ...layout.replyBox, x: layout.replyBox.x + 9, y: layout.replyBox.y + 10, width: layout.replyBox.width - 18 }
  paragraph(canvas, inner, state.reply, state.focus === 'reply')
  button(canvas, layout.sendButton, 'Send', state.pointer, true)
}

function drawStatus(canvas: Canvas, state: AppState, clock: string): void {
  const bar = layout.statusBar
  fillGradient(canvas, bar, 0xe9edf1, 0xdce2e8)
  fillRect(canvas, { ...bar, height: 1 }, colors.line)
  label(canvas, bar, 14, state.status, body)
  const right = `Signed in: desk@example.com     ${clock}`
  drawText(canvas, { x: bar.width - 16 - textWidth(right, body), y: middleOf(bar, body) }, right, body)
}

/** The open menu or dropdown, over everything else. */
function drawOpen(canvas: Canvas, state: AppState): void {
  if (!state.open) return
  const { open } = state
  if ('menu' in open) {
    const rows = menus[open.menu].map((text, index) => ({ text, rect: layout.menuItem(open.menu, index) }))
    drawPopup(canvas, layout.menuBox(open.menu), rows, state.pointer)
  } else {
    const rows = choices[open.dropdown].map((text, index) => ({ text, rect: layout.optionRow(open.dropdown, index) }))
    drawPopup(canvas, layout.optionsBox(open.dropdown), rows, state.pointer)
  }
}

function drawPopup(canvas: Canvas, around: Rect, rows: readonly { text: string; rect: Rect }[], pointer: Point): void {
  fillRect(canvas, { ...around, x: around.x + 4, y: around.y + 4 }, 0xb9c1c9)
  fillRect(canvas, around, colors.paper)
  frameRect(canvas, around, 0x8793a0)
  for (const { text, rect } of rows) {
    const over = inside(rect, pointer)
    if (over) fillRect(canvas, rect, colors.accent)
    label(canvas, rect, 12, text, over ? { ...body, color: 0xffffff } : body)
  }
}
