/** The sign of codex-lb. */
export function Mark() {
  return (
    <svg viewBox="0 0 32 32" class="size-6 shrink-0 text-accent" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="currentColor" />
      <g class="fill-on-accent">
        <rect x="7" y="16" width="4.4" height="9" rx="1.2" />
        <rect x="13.8" y="7" width="4.4" height="18" rx="1.2" />
        <rect x="20.6" y="12" width="4.4" height="13" rx="1.2" />
      </g>
    </svg>
  );
}
