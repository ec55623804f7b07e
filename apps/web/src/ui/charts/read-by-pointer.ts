import type { PointerEvent } from "react";

/** Handlers that tell where a mouse hovers or a finger taps, CSS pixels inside the element. */
export function readByPointer(read: (x: number, y: number) => void) {
  const handler = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    read(event.clientX - box.left, event.clientY - box.top);
  };
  return { onPointerMove: handler, onPointerDown: handler };
}

/** What happens when a mouse leaves; a finger that is lifted leaves what it chose. */
export function leaveByMouse(leave: () => void) {
  return (event: PointerEvent) => {
    if (event.pointerType === "mouse") leave();
  };
}
