/** Form parts: a label above, a hint or an error below, tied together for assistive tools. */
import { createUniqueId, For, type JSX, Show, splitProps } from "solid-js";

interface FieldProps {
  label: string;
  hint?: JSX.Element;
  error?: string | null;
  hideLabel?: boolean;
  class?: string;
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => JSX.Element;
}

export function Field(props: FieldProps) {
  const id = createUniqueId();
  const describedBy = () => (props.error || props.hint ? `${id}-note` : undefined);
  return (
    <div class={`flex min-w-0 flex-col gap-1 ${props.class ?? ""}`}>
      <label for={id} class={props.hideLabel ? "sr-only" : "text-xs font-[550] text-ink-2"}>
        {props.label}
      </label>
      {props.children({ id, describedBy: describedBy(), invalid: Boolean(props.error) })}
      <Show when={props.error || props.hint}>
        <p
          id={`${id}-note`}
          class={`text-xs ${props.error ? "text-bad" : "text-ink-3"}`}
          role={props.error ? "alert" : undefined}
        >
          {props.error || props.hint}
        </p>
      </Show>
    </div>
  );
}

type InputProps = Omit<FieldProps, "children"> & { inputClass?: string } & Omit<
    JSX.InputHTMLAttributes<HTMLInputElement>,
    "class"
  >;

export function TextField(props: InputProps) {
  const [own, rest] = splitProps(props, ["label", "hint", "error", "hideLabel", "class", "inputClass"]);
  return (
    <Field label={own.label} hint={own.hint} error={own.error} hideLabel={own.hideLabel} class={own.class}>
      {(ids) => (
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          {...rest}
          id={ids.id}
          aria-describedby={ids.describedBy}
          aria-invalid={ids.invalid || undefined}
          class={`control w-full ${own.inputClass ?? ""}`}
        />
      )}
    </Field>
  );
}

export interface Choice<T extends string = string> {
  value: T;
  label: string;
  disabled?: boolean;
}

interface SelectProps<T extends string> extends Omit<FieldProps, "children"> {
  value: T;
  choices: readonly Choice<T>[];
  onChange(value: T): void;
  disabled?: boolean;
  selectClass?: string;
}

/** The browser's own select: it works with every keyboard, reader and phone. */
export function SelectField<T extends string>(props: SelectProps<T>) {
  return (
    <Field
      label={props.label}
      hint={props.hint}
      error={props.error}
      hideLabel={props.hideLabel}
      class={props.class}
    >
      {(ids) => (
        <select
          id={ids.id}
          aria-describedby={ids.describedBy}
          class={`control ${props.selectClass ?? "w-full"}`}
          disabled={props.disabled}
          onChange={(event) => props.onChange(event.currentTarget.value as T)}
        >
          <For each={props.choices}>
            {(choice) => (
              <option value={choice.value} disabled={choice.disabled} selected={choice.value === props.value}>
                {choice.label}
              </option>
            )}
          </For>
        </select>
      )}
    </Field>
  );
}

interface SwitchProps {
  label: string;
  hint?: JSX.Element;
  checked: boolean;
  disabled?: boolean;
  onChange(checked: boolean): void;
}

/** A setting that is on or off, its words at the left. */
export function SwitchRow(props: SwitchProps) {
  const id = createUniqueId();
  return (
    <div class="flex items-start justify-between gap-6">
      <div class="min-w-0">
        <label for={id} class="text-sm font-[550]">
          {props.label}
        </label>
        <Show when={props.hint}>
          <p id={`${id}-hint`} class="max-w-prose text-xs text-ink-3">
            {props.hint}
          </p>
        </Show>
      </div>
      <Switch
        id={id}
        checked={props.checked}
        disabled={props.disabled}
        onChange={props.onChange}
        describedBy={props.hint ? `${id}-hint` : undefined}
      />
    </div>
  );
}

export function Switch(props: {
  id?: string;
  label?: string;
  checked: boolean;
  disabled?: boolean | undefined;
  describedBy?: string | undefined;
  onChange(checked: boolean): void;
}) {
  return (
    <span class="relative mt-0.5 inline-flex h-5 w-9 shrink-0">
      <input
        id={props.id}
        type="checkbox"
        role="switch"
        aria-label={props.label}
        aria-describedby={props.describedBy}
        checked={props.checked}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
        class="peer absolute inset-0 z-10 m-0 cursor-pointer appearance-none rounded-full border border-line-strong bg-track transition-colors checked:border-accent checked:bg-accent disabled:opacity-50"
      />
      <span
        aria-hidden="true"
        class="pointer-events-none absolute top-[3px] left-[3px] z-20 h-3.5 w-3.5 rounded-full bg-ink-3 transition-transform peer-checked:translate-x-4 peer-checked:bg-on-accent"
      />
    </span>
  );
}

export function Check(props: {
  label: JSX.Element;
  checked: boolean;
  onChange(checked: boolean): void;
  class?: string;
}) {
  return (
    <label class={`flex cursor-pointer items-center gap-2 text-sm ${props.class ?? ""}`}>
      <input
        type="checkbox"
        class="size-4 shrink-0 accent-accent"
        checked={props.checked}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      {props.label}
    </label>
  );
}

/** One of a few, all visible. */
export function Segmented<T extends string>(props: {
  label: string;
  value: T;
  choices: readonly Choice<T>[];
  onChange(value: T): void;
  class?: string;
}) {
  const name = createUniqueId();
  return (
    <fieldset
      class={`inline-flex h-8 items-stretch rounded-md border border-line bg-sunken p-0.5 ${props.class ?? ""}`}
    >
      <legend class="sr-only">{props.label}</legend>
      <For each={props.choices}>
        {(choice) => (
          <label class="group relative flex cursor-pointer">
            <input
              type="radio"
              name={name}
              class="peer absolute inset-0 m-0 cursor-pointer appearance-none rounded-[5px]"
              checked={choice.value === props.value}
              onChange={() => props.onChange(choice.value)}
            />
            <span class="pointer-events-none relative flex items-center rounded-[5px] border border-transparent px-2.5 text-xs font-[550] whitespace-nowrap text-ink-2 peer-checked:border-line peer-checked:bg-raised peer-checked:text-ink group-hover:text-ink">
              {choice.label}
            </span>
          </label>
        )}
      </For>
    </fieldset>
  );
}
