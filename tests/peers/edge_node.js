// An edge node as others build them: node edge_node.js PORT GROUP NODE COUNT. Says births, then COUNT values of a node
// and of a device; tells on standard output what happens; is born again when it is asked to; ends with its standard input.
const sparkplug = require("sparkplug-client");

const [port, groupId, edgeNode, count] = process.argv.slice(2);
const client = sparkplug.newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username: "",
  password: "",
  groupId,
  edgeNode,
  clientId: `peer-${edgeNode}`,
  version: "spBv1.0",
  publishDeath: true,
});
const tell = (what) => process.stdout.write(what + "\n");
let at = Date.now();
let births = 0;
let said = 0;

client.on("error", (error) => tell(`error ${error}`));
client.on("ncmd", (payload) => {
  if ((payload.metrics || []).some((metric) => metric.name === "Node Control/Rebirth" && metric.value === true)) {
    tell("asked");
    client.emit("birth");
  }
});
client.on("birth", () => {
  births += 1;
  at += 1;
  client.publishNodeBirth({
    timestamp: at,
    metrics: [
      { name: "power", alias: 1, type: "Double", value: -births, timestamp: at },
      { name: "mode", alias: 2, type: "String", value: "idle", timestamp: at },
      { name: "Node Control/Rebirth", type: "Boolean", value: false, timestamp: at },
    ],
  });
  client.publishDeviceBirth("mill", {
    timestamp: at,
    metrics: [{ name: "wear_um", alias: 3, type: "Int16", value: 0, timestamp: at }],
  });
  if (births === 1) {
    speak();
  } else {
    client.publishNodeData({ timestamp: ++at, metrics: [{ alias: 1, type: "Double", value: 1e6, timestamp: at }] });
  }
  tell(`born ${births}`);
});

function speak() {
  for (; said < Number(count); said += 1) {
    at += 1;
    client.publishNodeData({ timestamp: at, metrics: [{ alias: 1, type: "Double", value: said + 0.5, timestamp: at }] });
    client.publishDeviceData("mill", {
      timestamp: at,
      metrics: [{ alias: 3, type: "Int16", value: said, timestamp: at }],
    });
  }
}

process.stdin.resume();
process.stdin.on("data", (line) => {
  if (String(line).startsWith("lose")) {
    client.seq += 1; // as if a message had been lost on its way
    at += 1;
    client.publishNodeData({ timestamp: at, metrics: [{ alias: 1, type: "Double", value: 666, timestamp: at }] });
  }
});
process.stdin.on("end", () => {
  client.stop();
  setTimeout(() => process.exit(0), 300);
});
