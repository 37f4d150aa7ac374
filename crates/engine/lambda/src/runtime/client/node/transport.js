/*
 * The Runtime API for AWS's runtime interface client, in the place of its native addon.
 *
 * The client wants three things of the addon: `next` promises an invocation, `done` and `error` have
 * told the Runtime API when they return, for the process may end right afterwards. So there is one
 * connection to the Runtime API, and whatever goes out is written to its descriptor at once; answers
 * come back through the event loop, in the order of the requests.
 *
 * While a handler runs the connection does not keep the event loop alive: a callback handler has
 * finished when nothing is left to happen.
 */
'use strict';

const fs = require('node:fs');
const net = require('node:net');

const ROOT = '/2018-06-01/runtime/invocation';
const HEAD_END = '\r\n\r\n';
const address = process.env.AWS_LAMBDA_RUNTIME_API;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** One connection to the Runtime API. */
class Connection {
  constructor(socket) {
    this.socket = socket;
    this.lost = false;
    this.waiting = [];
    this.chunks = [];
    this.length = 0;
    this.needed = 0;
    this.head = null;
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.lost = true;
      for (const { reject } of this.waiting.splice(0)) {
        reject(new Error('the connection to the Runtime API was lost'));
      }
    });
    socket.unref();
  }

  static open() {
    const colon = address.lastIndexOf(':');
    const options = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    return new Promise((resolve, reject) => {
      const socket = net.connect({ ...options, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Connection(socket)));
    });
  }

  /** Sends a request before it returns. The promise is for the answer. */
  send(method, path, body) {
    const head = [`${method} ${ROOT}${path} HTTP/1.1`, `Host: ${address}`];
    if (body !== undefined) {
      head.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
    }
    const answer = new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    this.write(Buffer.from(head.join('\r\n') + HEAD_END + (body ?? ''), 'utf8'));
    return answer;
  }

  write(bytes) {
    let sent = 0;
    while (sent < bytes.length && !this.lost) {
      try {
        sent += fs.writeSync(this.socket._handle.fd, bytes, sent);
      } catch (error) {
        if (error.code === 'EAGAIN') {
          Atomics.wait(pause, 0, 0, 1);
        } else {
          // The other side hung up, such as on too large an answer.
          this.lost = true;
          this.socket.destroy();
        }
      }
    }
  }

  receive(chunk) {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.length < this.needed) {
      return;
    }
    let bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    for (;;) {
      if (this.head === null) {
        const end = bytes.indexOf(HEAD_END);
        if (end < 0) {
          this.needed = 0;
          break;
        }
        this.head = parseHead(bytes.toString('utf8', 0, end));
        bytes = bytes.subarray(end + HEAD_END.length);
      }
      this.needed = Number(this.head.headers['content-length'] ?? 0);
      if (bytes.length < this.needed) {
        break;
      }
      const answer = { ...this.head, body: bytes.toString('utf8', 0, this.needed) };
      bytes = bytes.subarray(this.needed);
      this.head = null;
      this.waiting.shift()?.resolve(answer);
    }
    this.chunks = [bytes];
    this.length = bytes.length;
  }
}

function parseHead(text) {
  const [first, ...lines] = text.split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(' ')[1]), headers };
}

let connection = null;

/** Asks for an invocation: on a new connection where there is none, or where it has been lost. */
async function next() {
  for (;;) {
    const known = connection !== null && !connection.lost;
    if (!known) {
      connection = await Connection.open();
    }
    connection.socket.ref();
    try {
      const answer = await connection.send('GET', '/next');
      if (answer.status !== 200) {
        throw new Error(`Failed to get next invocation, error ${answer.status}`);
      }
      return { bodyJson: answer.body, headers: answer.headers };
    } catch (error) {
      if (!(known && connection.lost)) {
        throw error;
      }
    } finally {
      connection.socket.unref();
    }
  }
}

/** Reports what became of an invocation. Without a connection there is nobody left to hear it. */
function post(path, body) {
  if (connection !== null && !connection.lost) {
    // Whether it was accepted changes nothing for the client, as with the addon.
    connection.send('POST', path, body).catch(() => {});
  }
}

module.exports = {
  next,
  done: (id, body) => post(`/${id}/response`, body),
  error: (id, body) => post(`/${id}/error`, body),
};
