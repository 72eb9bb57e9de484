// Reads lines of JSON and answers each with a line: {"encode": payload} → hex, {"decode": hex} → payload.
const { encodePayload, decodePayload } = require("sparkplug-payload").get("spBv1.0");
const readline = require("readline");

BigInt.prototype.toJSON = function () { return this.toString(); };

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const answer = asked.encode !== undefined
    ? Buffer.from(encodePayload(asked.encode)).toString("hex")
    : decodePayload(Buffer.from(asked.decode, "hex"));
  process.stdout.write(JSON.stringify(answer) + "\n");
});
