"use client";

import { type RefObject, useEffect, useRef } from "react";
import { panSpan, type Span, zoomSpan } from "./timeline-layout.ts";

interface TimelineGestures {
  span: Span;
  full: Span;
  /** Left edge and width of the drawn time, CSS pixels inside the element. */
  left: number;
  width: number;
  setSpan: (span: Span) => void;
}

/** A pointer that moved less than this clicked, CSS pixels. */
const DRAG_FROM = 4;

/**
 * Zoom and pan by hand: pinch or Ctrl and the wheel zoom about the pointer, sideways scrolling and
 * dragging move along. Plain scrolling stays the page's own.
 *
 * @returns whether a drag is going on
 */
export function useTimelineGestures(
  element: RefObject<HTMLElement | null>,
  state: TimelineGestures,
): RefObject<boolean> {
  const latest = useRef(state);
  latest.current = state;
  const isDragging = useRef(false);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    let drag: { fromX: number; span: Span } | null = null;
    const onWheel = (event: WheelEvent) => {
      const { span, full, left, width, setSpan } = latest.current;
      const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (event.ctrlKey || event.metaKey) {
        const at = (event.clientX - target.getBoundingClientRect().left - left) / width;
        const about = span.startMs + Math.min(1, Math.max(0, at)) * (span.endMs - span.startMs);
        setSpan(zoomSpan(span, about, Math.exp(event.deltaY * 0.01), full));
      } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        setSpan(panSpan(span, sideways / width, full));
      } else return;
      event.preventDefault();
    };
    const onDown = (event: PointerEvent) => {
      if (event.button === 0) drag = { fromX: event.clientX, span: latest.current.span };
    };
    const onMove = (event: PointerEvent) => {
      if (drag === null) return;
      const moved = event.clientX - drag.fromX;
      if (!isDragging.current && Math.abs(moved) < DRAG_FROM) return;
      if (!isDragging.current) target.setPointerCapture(event.pointerId);
      isDragging.current = true;
      const { full, width, setSpan } = latest.current;
      setSpan(panSpan(drag.span, -moved / width, full));
    };
    const onEnd = () => {
      drag = null;
      isDragging.current = false;
    };
    // React listens to wheels passively, and then the page would zoom too.
    target.addEventListener("wheel", onWheel, { passive: false });
    target.addEventListener("pointerdown", onDown);
    target.addEventListener("pointermove", onMove);
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, onEnd);
    return () => {
      target.removeEventListener("wheel", onWheel);
      target.removeEventListener("pointerdown", onDown);
      target.removeEventListener("pointermove", onMove);
      for (const end of ["pointerup", "pointercancel"]) target.removeEventListener(end, onEnd);
    };
  }, [element]);
  return isDragging;
}
