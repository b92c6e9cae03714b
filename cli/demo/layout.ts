import type { Rect } from './canvas.ts'
import { type ChoiceField, choices, type Field, type MenuName, menuNames, menus } from './desk.ts'

/** Where everything in the application is, for the hand that clicks it and the brush that draws it. */
export const screen: Rect = { x: 0, y: 0, width: 1280, height: 800 }
export const titleBar: Rect = { x: 0, y: 0, width: 1280, height: 30 }
export const menuBar: Rect = { x: 0, y: 30, width: 1280, height: 26 }
export const toolbar: Rect = { x: 0, y: 56, width: 1280, height: 38 }
export const sidebar: Rect = { x: 0, y: 94, width: 270, height: 682 }
export const formPane: Rect = { x: 270, y: 94, width: 560, height: 682 }
export const mailPane: Rect = { x: 830, y: 94, width: 450, height: 682 }
export const statusBar: Rect = { x: 0, y: 776, width: 1280, height: 24 }

export const searchBox: Rect = { x: 1050, y: 62, width: 216, height: 26 }
/** Where the eye, and at times the pointer, goes in a letter: to and fro over its lines. */
export const letterLines: readonly Rect[] = [
  { x: 850, y: 470, width: 60, height: 16 },
  { x: 1180, y: 472, width: 70, height: 16 },
  { x: 850, y: 492, width: 60, height: 16 },
  { x: 1150, y: 494, width: 90, height: 16 },
]
export const replyBox: Rect = { x: 846, y: 640, width: 418, height: 88 }
export const sendButton: Rect = { x: 1184, y: 738, width: 80, height: 28 }
export const saveButton: Rect = { x: 290, y: 568, width: 90, height: 28 }
export const revertButton: Rect = { x: 390, y: 568, width: 90, height: 28 }

export const toolNames = ['New', 'Save', 'Reply', 'Assign', 'Print'] as const
export type ToolName = (typeof toolNames)[number]

export function toolButton(name: ToolName): Rect {
  return { x: 10 + toolNames.indexOf(name) * 86, y: 61, width: 80, height: 28 }
}

export function customerRow(index: number): Rect {
  return { x: 1, y: 124 + index * 43, width: 268, height: 43 }
}

export function mailRow(index: number): Rect {
  return { x: 831, y: 124 + index * 46, width: 449, height: 46 }
}

/** Fields in pairs, one pair per row; the note has a row to itself. */
export const fieldNames: readonly Field[] = [
  'name', 'company', 'email', 'phone', 'street', 'city', 'country', 'plan', 'status', 'priority', 'note',
]

export function fieldBox(field: Field): Rect {
  const index = fieldNames.indexOf(field)
  const column = index % 2
  const y = 208 + Math.floor(index / 2) * 56
  if (field === 'note') return { x: 290, y, width: 520, height: 64 }
  return { x: 290 + column * 265, y, width: 255, height: 28 }
}

export function menuTitle(menu: MenuName): Rect {
  return { x: 8 + menuNames.indexOf(menu) * 88, y: 31, width: 86, height: 24 }
}

export function menuBox(menu: MenuName): Rect {
  return { x: menuTitle(menu).x, y: 56, width: 190, height: menus[menu].length * 26 + 6 }
}

export function menuItem(menu: MenuName, index: number): Rect {
  const box = menuBox(menu)
  return { x: box.x + 1, y: box.y + 3 + index * 26, width: box.width - 2, height: 26 }
}

export function optionsBox(field: ChoiceField): Rect {
  const box = fieldBox(field)
  return { x: box.x, y: box.y + box.height - 1, width: box.width, height: choices[field].length * 26 + 4 }
}

export function optionRow(field: ChoiceField, index: number): Rect {
  const box = optionsBox(field)
  return { x: box.x + 1, y: box.y + 2 + index * 26, width: box.width - 2, height: 26 }
}
