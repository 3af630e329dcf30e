// The web page as its users meet it, before every server that is built.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { PICTURE, copy, drop, inaccessible, launch, open, screenshot } from "./browser.js";
import { ROOT, built, start } from "./servers.js";

const REFUSED = "Failed to load resource"; // what Chromium says of every status over 399
const folder = mkdtempSync(join(tmpdir(), "glimpse-browser-"));
const browser = await launch();
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

function file(name, bytes) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const cut = file("cut.png", readFileSync(PICTURE.coffee).subarray(0, 5000));

/** An uncompressed bitmap with a gradient: large in bytes, small in pixels. */
function bitmap(width, height) {
  const bytes = Buffer.alloc(54 + width * height * 3);
  bytes.write("BM");
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  for (let at = 54; at < bytes.length; at++) bytes[at] = (at / (3 * width)) & 255;
  return bytes;
}

/** What the author of a page writes who has never heard of JSON; the second file stays empty. */
const FORM = `<!doctype html><link rel="icon" href="data:,">
<form action="/predict" method="post" enctype="multipart/form-data">
<input type="file" name="file"><input type="file" name="other"><input name="top_k"><button>Send</button></form>`;

const label = (page, text) => page.locator("#label").filter({ hasText: text }).waitFor();
const failure = (page, text) => page.getByRole("alert").filter({ hasText: text }).waitFor();

for (const name of built()) {
  describe(name, () => {
    let server;
    before(async () => (server = await start(name)));
    after(() => server.stop());

    const visit = async (options, use) => {
      const { page, context, verify } = await open(browser, server.url, options);
      await use(page, context);
      await verify();
    };

    test("a dropped picture gets its labels, as bars, with timings", () =>
      visit({}, async (page) => {
        await screenshot(page, `${name}-empty`);
        await drop(page, PICTURE.coffee);
        await label(page, "espresso");
        const rows = page.getByRole("list", { name: "Labels" }).getByRole("listitem");
        assert.equal(await rows.count(), 5);
        const bars = await rows.locator("b").evaluateAll((bars) => bars.map((bar) => bar.clientWidth));
        assert.ok(bars[0] > 0, "the first bar shows something");
        assert.deepEqual(bars, bars.toSorted((a, b) => b - a));
        const timings = await page.locator("#timings").innerText();
        for (const stage of ["Decode", "Resize", "Infer", "In all"]) assert.match(timings, new RegExp(stage));
        await screenshot(page, `${name}-light`);
      }));

    test("a picture is chosen with the keyboard alone", () =>
      visit({}, async (page) => {
        const focused = () => page.evaluate(() => document.activeElement.id);
        await page.keyboard.press("Tab");
        assert.equal(await focused(), "file");
        for (const [key, picture, text] of [["Enter", PICTURE.rocket, "obelisk"], ["Space", PICTURE.coffee, "espresso"]]) {
          const chooser = page.waitForEvent("filechooser");
          await focused(); // by now the browser hands choosers over
          await page.keyboard.press(key);
          await (await chooser).setFiles(picture);
          await label(page, text);
        }
        for (let stops = 0; (await focused()) !== "explain" && stops < 10; stops++) await page.keyboard.press("Tab");
        await page.keyboard.press("Space");
        assert.ok(await page.getByRole("switch").isChecked());
      }));

    test("a picture is pasted by key and by button", () =>
      visit({}, async (page) => {
        await copy(page, PICTURE.coffee);
        await page.keyboard.press("Control+V");
        await label(page, "espresso");
        const again = page.waitForResponse((response) => response.url().endsWith("/predict"));
        await page.getByRole("button", { name: "Paste" }).click();
        await again;
        await label(page, "espresso");
        await page.evaluate(() => navigator.clipboard.writeText("no picture"));
        await page.getByRole("button", { name: "Paste" }).click();
        await failure(page, "Nothing to paste");
      }));

    test("a picture is photographed", () =>
      visit({ hasTouch: true, isMobile: true, viewport: { width: 375, height: 667 } }, async (page) => {
        const photo = page.getByLabel("Take a photo");
        assert.equal(await photo.getAttribute("capture"), "environment");
        await photo.setInputFiles(PICTURE.coffee);
        await label(page, "espresso");
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "no sideways scrolling");
        assert.deepEqual(await inaccessible(page), []);
        await screenshot(page, `${name}-phone`);
      }));

    test("a corrupt file is refused in words, and the next picture is classified", () =>
      visit({ expectErrors: [REFUSED] }, async (page) => {
        await drop(page, cut);
        await failure(page, "Corrupt image");
        assert.ok(await page.getByRole("button", { name: "Try again" }).isHidden(), "trying again would not help");
        assert.deepEqual(await inaccessible(page), []);
        await screenshot(page, `${name}-corrupt`);
        await drop(page, PICTURE.coffee);
        await label(page, "espresso");
        assert.equal(await page.getByRole("alert").innerText(), "");
      }));

    test("a form with a file, as a browser sends it, is answered", () =>
      visit({}, async (page) => {
        // Beside the page, whose policy forbids forms: in a document of its own.
        await page.route("**/form", (route) => route.fulfill({ contentType: "text/html", body: FORM }));
        await page.goto(server.url + "/form");
        await page.setInputFiles("[name=file]", PICTURE.coffee);
        await page.fill("[name=top_k]", "2");
        const answered = page.waitForResponse((response) => response.url().endsWith("/predict"));
        await page.click("button");
        const response = await answered;
        assert.match(await response.request().headerValue("content-type"), /^multipart\/form-data; boundary=/);
        const answer = await response.json();
        assert.equal(answer.label, "espresso");
        assert.equal(answer.predictions.length, 2);
      }));

    test("something that is no picture is refused in words", () =>
      visit({ expectErrors: [REFUSED] }, async (page) => {
        await drop(page, file("notes.txt", "not a picture"));
        await failure(page, "Unsupported image format");
      }));

    test("the explanation is laid over what the model sees", () =>
      visit({}, async (page) => {
        await drop(page, PICTURE.coffee);
        await label(page, "espresso");
        await page.getByRole("switch").check();
        const heat = page.getByRole("img", { name: /Where the model looked for espresso: most at the/ });
        await heat.waitFor();
        // 600 × 400, and the model sees the square in the middle.
        const [over, whole] = [await heat.boundingBox(), await page.locator("#picture").boundingBox()];
        assert.ok(Math.abs(over.width - over.height) < 1 && Math.abs(over.height - whole.height) < 1);
        assert.ok(Math.abs(over.x + over.width / 2 - whole.x - whole.width / 2) < 1);
        const colours = await heat.evaluate((canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        });
        assert.ok(colours > 20, `${colours} colours are no map`);
        assert.deepEqual(await inaccessible(page), []);
        await screenshot(page, `${name}-explanation`);
        await page.getByRole("switch").uncheck();
        await heat.waitFor({ state: "hidden" });
      }));

    test("a picture over a function's limit is shrunk before it is sent", () =>
      visit({}, async (page) => {
        // Playwright does not see a body that is a Blob.
        await page.evaluate(() => {
          const send = window.fetch;
          window.fetch = (path, request) => {
            if (request.body) window.sent = { type: request.body.type, size: request.body.size };
            return send(path, request);
          };
        });
        await drop(page, file("large.bmp", bitmap(1600, 1200)));
        await page.getByText("Shrunk from 5.8 MB to").waitFor();
        await page.locator("#headline").waitFor();
        const { type, size } = await page.evaluate(() => window.sent);
        assert.equal(type, "image/jpeg");
        assert.ok(size < 4_400_000);
      }));

    test("dark mode reads as well as light", () =>
      visit({ colorScheme: "dark" }, async (page) => {
        await drop(page, PICTURE.coffee);
        await label(page, "espresso");
        const [red, green, blue] = await page.evaluate(() =>
          getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number),
        );
        assert.ok(red + green + blue < 150, "a dark page");
        assert.deepEqual(await inaccessible(page), []);
        await screenshot(page, `${name}-dark`);
      }));

    test("light mode is accessible, before and after a picture", () =>
      visit({}, async (page) => {
        assert.deepEqual(await inaccessible(page), []);
        await drop(page, PICTURE.coffee);
        await label(page, "espresso");
        assert.deepEqual(await inaccessible(page), []);
      }));

    test("the newest of several pictures wins", () =>
      visit({}, async (page) => {
        await drop(page, PICTURE.coffee);
        await drop(page, PICTURE.rocket);
        await label(page, "obelisk");
        await page.waitForLoadState("networkidle");
        assert.equal(await page.locator("#label").innerText(), "obelisk");
      }));

    test("a service that is gone is told, and tried again", () =>
      visit({ expectErrors: [REFUSED] }, async (page, context) => {
        await context.setOffline(true);
        await drop(page, PICTURE.coffee);
        await failure(page, "cannot be reached");
        await context.setOffline(false);
        await page.getByRole("button", { name: "Try again" }).click();
        await label(page, "espresso");
      }));

    test("behind an API's stage the page finds its service", async () => {
      const { page, context, verify } = await open(browser, server.url);
      await context.route(/\/prod(\/|$|\?)/, async (route) => {
        const path = new URL(route.request().url());
        const url = server.url + (path.pathname.slice("/prod".length) || "/") + path.search;
        await route.fulfill({ response: await route.fetch({ url }) });
      });
      const elsewhere = page.waitForRequest((request) => request.method() === "POST");
      await page.goto(server.url + "/prod");
      await drop(page, PICTURE.coffee);
      await label(page, "espresso");
      assert.equal(new URL((await elsewhere).url()).pathname, "/prod/predict");
      await verify();
    });
  });
}

test("behind a token the page asks for it", { skip: !built().includes("edge") && "glimpse is not built" }, async () => {
  const token = "correct-horse-battery";
  const server = await start("edge", { GLIMPSE_BEARER_TOKEN_FILE: file("token", token) });
  const { page, verify } = await open(browser, server.url, { expectErrors: [REFUSED] });
  await drop(page, PICTURE.coffee);
  const field = page.getByLabel("Token of this service");
  await field.fill("a guess of 16 or more");
  await field.press("Enter");
  await failure(page, "oken");
  await screenshot(page, "edge-token");
  await field.fill(token);
  await field.press("Enter");
  await label(page, "espresso");
  await verify();
  await server.stop();
});

describe("several labels", { skip: !built().includes("edge") }, () => {
  const bundle = join(folder, "several");
  let server;
  before(async () => {
    cpSync(ROOT + "models/default", bundle, { recursive: true });
    const described = JSON.parse(readFileSync(join(bundle, "bundle.json")));
    const labels = readFileSync(join(bundle, "labels.txt"), "utf8").trim().split("\n");
    // No picture has any label but espresso, whatever its score.
    const thresholds = labels.map((name) => (name === "espresso" ? 0.5 : 1));
    const calibration = { ...described.calibration, temperature: 2 };
    writeFileSync(join(bundle, "bundle.json"), JSON.stringify({ ...described, calibration, task: "multi-label", thresholds }));
    server = await start("edge", { GLIMPSE_MODEL_URI: bundle });
  });
  after(() => server.stop());

  test("those that the picture has are named and ticked, or it says that there are none", async () => {
    const { page, verify } = await open(browser, server.url, {});
    await drop(page, PICTURE.coffee);
    await label(page, /^espresso$/);
    const rows = page.getByRole("list", { name: "Labels" }).getByRole("listitem");
    const ticked = await rows.filter({ hasText: "✓" }).allInnerTexts();
    assert.equal(ticked.length, 1);
    assert.match(ticked[0], /espresso/);
    assert.equal(await rows.count(), 5);
    await drop(page, PICTURE.rocket);
    await label(page, "None of its labels");
    assert.equal(await rows.filter({ hasText: "✓" }).count(), 0);
    assert.deepEqual(await inaccessible(page), []);
    await verify();
  });
});
