/** A long list of rows of one height: only those in sight are in the page. Scrolls with the page itself. */
import { createEffect, createMemo, createSignal, For, type JSX, on, onCleanup, onMount } from "solid-js";

/** Rows kept ready above and below, so that a quick scroll shows no gap. */
const SPARE_ROWS = 12;

interface VirtualListProps<T> {
  items: readonly T[];
  rowHeight: number;
  children: (item: T, index: () => number) => JSX.Element;
  /** Called when the end comes near. */
  onNearEnd?(): void;
  label: string;
}

export function VirtualList<T>(props: VirtualListProps<T>) {
  let host: HTMLDivElement | undefined;
  const [view, setView] = createSignal({ top: 0, height: innerHeight });
  let frame = 0;

  const measure = () => {
    frame = 0;
    const top = -(host?.getBoundingClientRect().top ?? 0);
    setView({ top, height: innerHeight });
    const end = props.items.length * props.rowHeight - (top + innerHeight);
    if (end < innerHeight) props.onNearEnd?.();
  };
  const onScroll = () => {
    frame ||= requestAnimationFrame(measure);
  };

  onMount(() => {
    measure();
    addEventListener("scroll", onScroll, { passive: true });
    addEventListener("resize", onScroll);
    onCleanup(() => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", onScroll);
      removeEventListener("resize", onScroll);
    });
  });

  createEffect(on(() => props.items.length, onScroll, { defer: true }));

  const range = createMemo(
    () => {
      const first = Math.max(0, Math.floor(view().top / props.rowHeight) - SPARE_ROWS);
      const last = Math.min(
        props.items.length,
        Math.ceil((view().top + view().height) / props.rowHeight) + SPARE_ROWS,
      );
      return { first: Math.min(first, Math.max(0, last - 1)), last };
    },
    undefined,
    { equals: (a, b) => a.first === b.first && a.last === b.last },
  );
  const shown = createMemo(() => props.items.slice(range().first, range().last));

  return (
    <div
      ref={(element) => {
        host = element;
      }}
      role="rowgroup"
      aria-label={props.label}
      style={{ height: `${props.items.length * props.rowHeight}px` }}
    >
      <div style={{ transform: `translateY(${range().first * props.rowHeight}px)` }}>
        <For each={shown()}>{(item, index) => props.children(item, () => range().first + index())}</For>
      </div>
    </div>
  );
}
