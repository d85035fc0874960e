// What a page of somebody else tries in its visitor's browser. Loaded by that page, called by sign-in.test.ts.

/** What each attempt came to: "failed", or "reached: …" with what the page got to see. */
globalThis.attack = async (target) => {
  const simple = {
    method: "POST",
    headers: { "content-type": "text/plain" },
    credentials: "include",
    mode: "no-cors",
  };
  const password = JSON.stringify({ password: "password of the attacker" });
  const attempts = {
    read: async () => (await fetch(`${target}/api/accounts`)).text(),
    change: async () => (await fetch(`${target}/api/settings`, { method: "PUT", body: "{}" })).text(),
    models: async () => (await fetch(`${target}/v1/models`)).text(),
    blindImport: () => fetch(`${target}/api/accounts/import`, { ...simple, body: "x" }),
    blindPassword: () => fetch(`${target}/api/dashboard-auth/password/setup`, { ...simple, body: password }),
    blindTurn: () => fetch(`${target}/backend-api/codex/responses`, { ...simple, body: "{}" }),
    socket: () =>
      settled(new WebSocket(`${target.replace("http", "ws")}/backend-api/codex/responses`), "open"),
    liveFeed: () => settled(new EventSource(`${target}/api/live`), "open"),
    script: () => settled(document.head.appendChild(elementWith("script", `${target}/api/accounts`)), "load"),
  };
  const outcome = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    outcome[name] = await attempt().then(
      (seen) => `reached: ${seen}`,
      () => "failed",
    );
  }
  return outcome;
};

/** The status of each call, or "failed" where the browser gave the page nothing. */
globalThis.ask = async (calls) => {
  const answers = [];
  for (const { url, ...init } of calls) {
    answers.push(
      await fetch(url, init).then(
        (reply) => reply.status,
        () => "failed",
      ),
    );
  }
  return answers;
};

globalThis.frame = async (target) => {
  await settled(document.body.appendChild(elementWith("iframe", target)), "load");
};

/** Whether a planted script or handler ran. */
globalThis.plant = async () => {
  const script = document.createElement("script");
  script.textContent = "globalThis.planted = true";
  document.head.append(script);
  const image = document.createElement("img");
  image.setAttribute("onerror", "globalThis.planted = true");
  const failed = new Promise((resolve) => image.addEventListener("error", resolve));
  image.src = "/no-such-image.png";
  document.body.append(image);
  await failed;
  return "planted" in globalThis;
};

function elementWith(tag, source) {
  const element = document.createElement(tag);
  element.src = source;
  return element;
}

function settled(thing, event) {
  return new Promise((resolve, reject) => {
    thing.addEventListener(event, () => resolve(event));
    thing.addEventListener("error", () => reject(new Error("refused")));
  });
}
