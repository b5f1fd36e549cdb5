// The floor under a server on Node: `node:http` and `node:http2` that read each request to its end, look at nothing
// but its path, and answer with the bytes that they were started with. argv: the file of these answers.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { Answer } from "./answers.ts";

const all: readonly Answer[] = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));

/** By path. */
function answersBy(protocol: Answer["protocol"]) {
  return new Map(
    all
      .filter((one) => one.protocol === protocol)
      .map(({ path, headers, trailers, body }) => [
        path,
        { headers, trailers, bytes: Buffer.from(body, "base64") },
      ]),
  );
}

const jsonAnswers = answersBy("JSON");
const byHttp = http.createServer((request, response) => {
  const answer = jsonAnswers.get(request.url ?? "");
  request.on("end", () => response.writeHead(answer ? 200 : 404, answer?.headers).end(answer?.bytes));
  request.resume();
});

const grpcAnswers = answersBy("gRPC");
const byHttp2 = http2.createServer();
byHttp2.on("stream", (stream, { ":path": path = "" }) => {
  const answer = grpcAnswers.get(path);
  stream.on("end", () => {
    stream.respond({ ":status": answer ? 200 : 404, ...answer?.headers }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(answer?.trailers ?? {}));
    stream.end(answer?.bytes);
  });
  stream.on("error", () => stream.close());
  stream.resume();
});

for (const [name, server] of Object.entries({ http: byHttp, grpc: byHttp2 })) {
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${name} http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  });
}
