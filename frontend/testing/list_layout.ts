/** Gives every element room, which jsdom, that lays nothing out, does not: a list draws only the rows that fit. */
export function layOutLists(): void {
  jest
    .spyOn(Element.prototype, 'getBoundingClientRect')
    .mockReturnValue({ x: 0, y: 0, top: 0, left: 0, right: 400, bottom: 400, width: 400, height: 400 } as DOMRect);
  Object.defineProperties(HTMLElement.prototype, { offsetHeight: { value: 400 }, offsetWidth: { value: 400 } });
  const canvas = { measureText: (text: string) => ({ width: 8 * text.length }) };
  jest.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(canvas as never);
}
