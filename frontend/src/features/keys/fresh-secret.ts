/** The secret that was just shown, so that Connect can fill it in. In memory only: a reload forgets it. */
import { createSignal } from "solid-js";

const [freshSecret, setFreshSecret] = createSignal<{ keyId: string; secret: string } | null>(null);
export { freshSecret, setFreshSecret };
