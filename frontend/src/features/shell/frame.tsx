/** The root of every page: who are you, is the service there, then navigation and page. */
import type { RouteSectionProps } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { ErrorBoundary, lazy, Match, onCleanup, onMount, Suspense, Switch } from "solid-js";
import { messageOf } from "../../lib/api.ts";
import { startLiveFeed } from "../../lib/live.ts";
import { dataOf, sessionQuery } from "../../lib/queries.ts";
import { shell } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Empty, Skeleton } from "../../ui/states.tsx";
import { Toasts } from "../../ui/toast.tsx";
import { Mark } from "./mark.tsx";
import { Banners } from "./banners.tsx";
import { BottomBar, Sidebar } from "./navigation.tsx";

const SignIn = lazy(() => import("../sign-in/sign-in-page.tsx"));

/** How often an absent service is asked for. */
const ASK_AGAIN_MS = 3_000;

export function Frame(props: RouteSectionProps) {
  const session = useQuery(() => ({
    ...sessionQuery,
    refetchInterval: (query) => (query.state.status === "error" ? ASK_AGAIN_MS : false),
  }));
  return (
    <>
      <Switch fallback={<FrameSkeleton />}>
        <Match when={dataOf(session)?.authenticated}>
          <SignedIn {...props} />
        </Match>
        <Match when={dataOf(session)}>
          {(data) => (
            <Suspense>
              <SignIn session={data()} />
            </Suspense>
          )}
        </Match>
        <Match when={session.isError}>
          <Gone />
        </Match>
      </Switch>
      <Toasts />
    </>
  );
}

function SignedIn(props: RouteSectionProps) {
  onMount(() => onCleanup(startLiveFeed()));
  return (
    <div class="flex min-h-dvh">
      <a
        href="#page"
        class="sr-only z-50 rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {shell.skip}
      </a>
      <Sidebar />
      <div class="flex min-w-0 flex-1 flex-col max-md:pb-16">
        <Banners />
        <main
          id="page"
          tabindex="-1"
          class="mx-auto w-full max-w-[90rem] min-w-0 flex-1 px-3 py-4 outline-none sm:px-5 lg:px-7 lg:py-6"
        >
          <ErrorBoundary fallback={(error) => <Broken error={error} />}>
            <Suspense fallback={<PageSkeleton />}>{props.children}</Suspense>
          </ErrorBoundary>
        </main>
      </div>
      <BottomBar />
    </div>
  );
}

function PageSkeleton() {
  return (
    <div class="flex flex-col gap-5">
      <Skeleton class="h-7 w-40" />
      <Skeleton class="h-28 w-full" />
      <Skeleton class="h-64 w-full" />
    </div>
  );
}

function FrameSkeleton() {
  return (
    <div class="flex min-h-dvh" aria-busy="true">
      <div class="w-52 border-r border-line max-lg:w-14 max-md:hidden" />
      <div class="flex-1 px-7 py-6">
        <PageSkeleton />
      </div>
    </div>
  );
}

function Gone() {
  return (
    <main class="flex min-h-dvh flex-col items-center justify-center">
      <Mark />
      <Empty isPage title={shell.gone.title}>
        <p>{shell.gone.body}</p>
        <p class="mt-2 text-ink-3">{shell.gone.hint}</p>
      </Empty>
    </main>
  );
}

function Broken(props: { error: unknown }) {
  return (
    <Empty
      isPage
      title={shell.broken.title}
      actions={
        <Button look="primary" onClick={() => location.reload()}>
          {shell.broken.reload}
        </Button>
      }
    >
      <p>{shell.broken.body}</p>
      <p class="mt-2 font-mono text-xs text-ink-3">{messageOf(props.error)}</p>
    </Empty>
  );
}
