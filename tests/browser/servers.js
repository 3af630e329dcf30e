// Starts what answers the page's requests: the function as on Lambda, and the edge server.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILT = ROOT + "target/debug/";

const SERVERS = {
  // The runtime interface emulator behind a gateway; the model comes from an S3 server.
  lambda: { command: [BUILT + "demo"], ready: /open (http:\S+)\/ in a browser/ },
};

/** The servers that are built: name → base address and `stop`. */
export async function start(name) {
  const { command, ready, environment } = SERVERS[name];
  const child = spawn(command[0], command.slice(1), { cwd: ROOT, env: { ...process.env, ...environment } });
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        said += bytes;
        const match = ready.exec(said);
        if (match) resolve(match[1]);
      });
    }
    ended.then((status) => reject(new Error(`${name} ended with ${status}:\n${said}`)));
  });
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  return { url, stop };
}

export const built = () => Object.keys(SERVERS).filter((name) => existsSync(SERVERS[name].command[0]));
