// Listens to a run, written from docs/protocol.md alone: `node observer.js RUN_FOLDER`.
// What was published before it came is in the journal, the rest comes live; it says on standard error when it
// listens, and at the end one line of JSON on standard output.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const zlib = require("node:zlib");
const { decode } = require("@msgpack/msgpack");
const zmq = require("zeromq");

const VERSION = 1;
const BAR_BYTES = 68;
const MAX_FRAME_BYTES = 67108864;
const LOOK_AGAIN_MS = 100;
const DEADLINE_MS = 100000;

/** Read a frame: check its magic, version, CRC, run and length. */
function readFrame(frame, run) {
  const end = frame.indexOf(0);
  const head = end + 1;
  const fail = (why) => { throw new Error(`malformed frame: ${why}`); };
  if (end < 1 || frame.length < head + 32) fail("too short");
  if (frame.toString("latin1", head, head + 2) !== "SF") fail("magic");
  if (frame.readUInt16LE(head + 2) !== VERSION) fail("version");
  const crc = zlib.crc32(frame.subarray(head + 8), zlib.crc32(frame.subarray(0, head + 4)));
  if (frame.readUInt32LE(head + 4) !== crc) fail("CRC");
  if (frame.readBigUInt64LE(head + 8) !== run) fail("it is of another run");
  if (frame.readUInt32LE(head + 20) !== frame.length - head - 32) fail("length");
  return {
    topic: frame.toString("ascii", 0, end),
    epoch: frame.readUInt32LE(head + 16),
    sequence: frame.readBigUInt64LE(head + 24),
    message: decode(frame.subarray(head + 32), { useBigInt64: true }),
  };
}

/** Yield the frames of a segment that are whole; a torn tail is left out, other damage is an error. */
function* readSegment(file, run) {
  const data = fs.readFileSync(file);
  const isTornFrom = (at) => data.subarray(at).every((byte) => byte === 0);
  if (data.length < 16 || isTornFrom(0)) return;
  if (data.toString("latin1", 0, 4) !== "SFJ1" || data.readUInt16LE(4) !== VERSION) throw new Error(`${file}: no segment`);
  if (data.readBigUInt64LE(8) !== run) throw new Error(`${file}: of another run`);
  for (let at = 16; at + 12 <= data.length;) {
    const length = data.readUInt32LE(at);
    const torn = zlib.crc32(data.subarray(at, at + 8)) !== data.readUInt32LE(at + 8);
    if (torn && isTornFrom(at + 12)) return;
    if (torn || length > MAX_FRAME_BYTES) throw new Error(`${file}: damaged at ${at}`);
    if (at + 12 + length > data.length) return;
    const frame = data.subarray(at + 12, at + 12 + length);
    if (zlib.crc32(frame) !== data.readUInt32LE(at + 4)) {
      if (isTornFrom(at + 12 + length)) return;
      throw new Error(`${file}: damaged at ${at}`);
    }
    yield frame;
    at += 12 + length;
  }
}

/** What has been heard so far: every window once, in order. */
class Heard {
  constructor(plan) {
    this.names = new Map(plan.streams.map((stream) => [stream.id, `${stream.symbol}/${stream.interval}`]));
    this.streams = new Map();
    this.next = 0;
    this.live = 0;
    this.end = null;
    this.isClosed = false;
  }

  /** Take a message; false where windows before it are missing. */
  take(message, isLive) {
    const [kind] = message;
    if (kind === "RunEnd") this.end = { windows: message[1], data: message[2], stream: message[3] };
    if (kind === "StreamClosed") this.isClosed = true;
    if (kind !== "SealedWindow" || message[1] < this.next) return true;
    if (message[1] > this.next) return false;
    this.next += 1;
    this.live += isLive ? 1 : 0;
    if (message[2] >= 0) this.addBars(message[6]);
    return true;
  }

  addBars([count, records]) {
    const bytes = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
    if (bytes.length !== count * BAR_BYTES) throw new Error("a block of another length");
    for (let at = 0; at < bytes.length; at += BAR_BYTES) {
      const name = this.names.get(bytes.readUInt16LE(at));
      if (!this.streams.has(name)) {
        this.streams.set(name, { bars: 0, closes: 0, volume: 0, hash: crypto.createHash("sha256") });
      }
      const stream = this.streams.get(name);
      stream.bars += 1;
      stream.closes += bytes.readDoubleLE(at + 52);
      stream.volume += bytes.readDoubleLE(at + 60);
      stream.hash.update(bytes.subarray(at, at + BAR_BYTES));
    }
  }

  result(epochs) {
    const streams = Object.fromEntries([...this.streams].sort().map(([name, { hash, ...sums }]) =>
      [name, { ...sums, sha256: hash.digest("hex") }]));
    return { windows: this.next, live: this.live, epochs, end: this.end, streams };
  }
}

class Observer {
  constructor(folder) {
    this.folder = folder;
    const control = this.control();
    if (control === null || control.version !== VERSION) throw new Error("the run is over, or of another version");
    this.run = BigInt(control.run);
    this.heard = new Heard(JSON.parse(fs.readFileSync(path.join(folder, "plan.json"))));
    this.epochs = [];
  }

  /** Read how to reach the run; null once it is over. The number of a run needs more than 53 bits. */
  control() {
    try {
      const text = fs.readFileSync(path.join(this.folder, "control.json"), "utf8");
      return { ...JSON.parse(text), run: /"run":\s*(\d+)/.exec(text)[1] };
    } catch (error) {
      if (error.code === "ENOENT") return null;
      throw error;
    }
  }

  /** Read the journal from its start; what is known already is passed over. */
  readJournal() {
    const folder = path.join(this.folder, "journal");
    const segments = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => /^\d{6,}\.sfj$/.test(name)) : [];
    for (const name of segments.sort()) {
      for (const frame of readSegment(path.join(folder, name), this.run)) {
        if (!this.heard.take(readFrame(frame, this.run).message, false)) throw new Error("the journal has a hole");
      }
    }
  }

  /** Listen to the coordinator of an epoch, in place of an earlier one. */
  listen(control) {
    this.socket?.close();
    this.socket = new zmq.Subscriber({ receiveHighWaterMark: 0, linger: 0 });
    this.socket.subscribe("sealed\0", "control\0");
    this.socket.connect(`ipc://${control.sockets}/observe-${control.epoch}`);
    this.epochs.push(control.epoch);
    this.expected = new Map();
    this.readJournal();
    this.receive(this.socket, control.epoch);
  }

  async receive(socket, epoch) {
    try {
      for await (const [frame] of socket) this.onFrame(readFrame(frame, this.run), epoch);
    } catch (error) {
      if (!socket.closed) fail(error);
    }
  }

  /** A hole is noticed by the sequence of a topic, and filled from the journal, which is always ahead. */
  onFrame({ topic, epoch, sequence, message }, current) {
    if (epoch !== current || epoch !== this.epochs.at(-1)) return;
    const expected = this.expected.get(topic);
    const isWhole = expected === undefined || sequence === expected;
    this.expected.set(topic, sequence + 1n);
    if (!isWhole || !this.heard.take(message, true)) this.readJournal();
  }

  async watch() {
    const deadline = Date.now() + DEADLINE_MS;
    let told = false;
    while (!this.heard.isClosed) {
      if (Date.now() > deadline) throw new Error(`nothing more came after window ${this.heard.next - 1}`);
      const control = this.control();
      if (control === null) this.readJournal();
      if (control === null && !this.heard.isClosed) throw new Error("the run has ended before its end");
      if (control !== null && control.epoch !== this.epochs.at(-1)) this.listen(control);
      if (!told) process.stderr.write("listening\n");
      told = true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    this.socket?.close();
    return this.heard.result(this.epochs);
  }
}

function fail(error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

new Observer(process.argv[2]).watch().then((result) => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}, fail);
