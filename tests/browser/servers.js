// Starts what answers the page's requests: the function as on Lambda, and the edge server.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILT = ROOT + "target/debug/";

const SERVERS = {
  // The runtime interface emulator behind a gateway; the model comes from an S3 server.
  lambda: { command: [BUILT + "demo", "--model", "default"], ready: /open (http:\S+)\/ in a browser/ },
  // `glimpse serve`.
  edge: {
    command: [BUILT + "glimpse", "serve", "--listen", "127.0.0.1:0"],
    ready: /listening.*?(127\.0\.0\.1:\d+)/,
    environment: {
      GLIMPSE_MODEL_URI: ROOT + "models/default",
      GLIMPSE_ORT_LIBRARY: `${ROOT}target/onnxruntime/${{ x64: "x86_64", arm64: "aarch64" }[process.arch]}/libonnxruntime.so`,
    },
  },
};

/** Start one of the servers that are built; gives its address and `stop`. `more` is for its environment. */
export async function start(name, more) {
  const { command, ready, environment } = SERVERS[name];
  const child = spawn(command[0], command.slice(1), { cwd: ROOT, env: { ...process.env, ...environment, ...more } });
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        said += bytes;
        const match = ready.exec(said);
        if (match) resolve(match[1].startsWith("http") ? match[1] : "http://" + match[1]);
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
