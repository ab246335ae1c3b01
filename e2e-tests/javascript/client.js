// A client made from the .proto files alone: prints who the node is, and then its first event.
//
// Usage: node client.js ADDRESS CERTIFICATE API_KEY_FILE
//
// Each line of output is a JSON object.

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const PROTOS = path.join(__dirname, "../../ldk-server-grpc/src/proto");

// 64-bit numbers do not fit the numbers of JavaScript, so they become strings.
const options = { includeDirs: [PROTOS], longs: String, enums: String, bytes: String };
const protos = protoLoader.loadSync("api.proto", options);
const { LightningNode } = grpc.loadPackageDefinition(protos).api;

// The x-auth header in its timestamp-only form.
function credential(apiKey) {
  const nowSecs = Math.floor(Date.now() / 1000);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(nowSecs));
  const mac = crypto.createHmac("sha256", apiKey).update(time).digest("hex");
  const metadata = new grpc.Metadata();
  metadata.set("x-auth", `HMAC ${nowSecs}:${mac}`);
  return metadata;
}

function show(message) {
  console.log(JSON.stringify(message));
}

function main(address, certificate, apiKeyFile) {
  const apiKey = fs.readFileSync(apiKeyFile).toString("hex");
  const tls = grpc.credentials.createSsl(fs.readFileSync(certificate));
  const node = new LightningNode(address, tls);

  const events = node.SubscribeEvents({}, credential(apiKey));
  // The metadata comes when the server follows its events for us.
  events.once("metadata", () => {
    node.GetNodeInfo({}, credential(apiKey), (error, info) => {
      if (error) throw error;
      show(info);
      events.once("data", (event) => {
        show(event);
        events.cancel();
      });
    });
  });
  events.on("error", (error) => {
    if (error.code !== grpc.status.CANCELLED) throw error;
    node.close();
  });
}

main(...process.argv.slice(2));
