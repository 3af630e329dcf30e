// The page that shows the OpenAPI document, under the policy that it is served with.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, open, screenshot } from "./browser.js";
import { built, start } from "./servers.js";

describe("the API's page", { skip: !built().includes("edge") && "glimpse is not built" }, () => {
  let browser, server;
  before(async () => {
    [browser, server] = [await launch(), await start("edge")];
  });
  after(async () => {
    await browser.close();
    await server.stop();
  });

  test("shows every operation and schema of the document, and its links lead there", async () => {
    const { page, verify } = await open(browser, server.url, { path: "/docs" });
    const { paths, components } = await (await fetch(server.url + "/openapi.json")).json();
    await page.getByRole("heading", { name: "Schemas" }).waitFor();
    for (const operation of Object.values(paths).flatMap(Object.values)) {
      assert.equal(await page.locator(`details#${operation.operationId}`).count(), 1);
    }
    for (const name of Object.keys(components.schemas)) {
      assert.equal(await page.locator(`h3#schema-${name}`).count(), 1);
    }
    for (const link of await page.locator("a").all()) {
      const target = await link.getAttribute("href");
      if (target.startsWith("#")) assert.equal(await page.locator(target).count(), 1, target);
    }
    await page.locator("#predict summary").click();
    await page.locator("#predict").getByText("corrupt_image").waitFor();
    await screenshot(page, "docs");
    await verify();
  });
});
