// Opens the page in Chromium and watches what no test may see: errors in the console, violations of
// the policy, requests to elsewhere.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { ROOT } from "./servers.js";

// The modules are installed under target/, not beside the tests.
const require = createRequire(ROOT + "target/browser/");
const { chromium } = require("playwright-core");
export const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update"];
const FLAGS = [...QUIET, "--disable-sync", "--disable-quic", "--disable-gpu", "--no-sandbox"];
export const PICTURE = { coffee: ROOT + "target/pictures/coffee.png", rocket: ROOT + "target/pictures/rocket.jpg" };

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });

/** A page of its own context; `verify` fails if the page did what it must not. */
export async function open(browser, url, { path = "/", expectErrors = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  page.on("console", (message) => {
    const expected = expectErrors.some((text) => message.text().includes(text));
    if (message.type() === "error" && !expected) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    const local = [url, "blob:" + url, "data:"].some((start) => request.url().startsWith(start));
    if (!local) wrong.push("request to " + request.url());
  });
  await page.goto(url + path);
  const verify = async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return { page, context, verify };
}

/** Drop a file as the file manager does: through the browser's own drag events. */
export async function drop(page, ...files) {
  const session = await page.context().newCDPSession(page);
  const { x, y, width, height } = await page.locator("#stage").boundingBox();
  const at = { x: x + width / 2, y: y + height / 2 };
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, ...at, data });
  }
}

/** Put a PNG into the clipboard. */
export async function copy(page, file) {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const bytes = readFileSync(file).toString("base64");
  await page.evaluate(async (base64) => {
    const blob = new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/png" });
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
  }, bytes);
}

export async function screenshot(page, name) {
  const folder = ROOT + "target/screenshots/";
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: true });
}

/** What axe finds wrong with the page as it is now. */
export async function inaccessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(", ")}`);
}
