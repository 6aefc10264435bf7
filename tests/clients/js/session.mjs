// What one person does with graphistry-js in an afternoon; told on standard input, reported as JSON.
//
// The clients log their requests to the console, tokens included: nothing of that may reach the report.
import { readFileSync } from 'node:fs';
import { Table, tableFromArrays, tableToIPC, vectorFromArray, Dictionary, Utf8, Int32, TimestampMillisecond } from 'apache-arrow';
import * as nodeApi from '@graphistry/node-api';
import * as uploadApi from '@graphistry/js-upload-api';

const told = JSON.parse(readFileSync(0, 'utf8'));
const print = console.log;
for (const level of ['debug', 'info', 'log', 'warn', 'error']) console[level] = () => {};
// A client signs in as soon as it is made; where that fails and nobody has used it yet, nobody catches the failure.
process.on('unhandledRejection', () => {});

const ROWS = [{ s: 'a', d: 'b', w: 1 }, { s: 'b', d: 'c', w: 2 }, { s: 'c', d: 'd', w: null }];
const COLUMNS = { s: ['a', 'b', 'c'], d: ['b', 'c', 'd'], w: [1.5, 2.5, 3.5] };
const NODES = { id: ['a', 'b', 'c', 'd'], size: [1, 2, 3, 4] };
const bindings = (name) => ({
  node_encodings: { bindings: { node: 'id', node_title: 'id' } },
  edge_encodings: { bindings: { source: 's', destination: 'd' } },
  metadata: { bg: { color: 'silver' } },
  name,
});
const columns = () => structuredClone(COLUMNS);

// Requests and statuses, in order: what the client really sent.
const sent = [];
const recordingFetch = async (url, options) => {
  const answer = await fetch(url, options);
  sent.push(`${options.method} ${new URL(url).pathname} ${answer.status}`);
  return answer;
};

function client({ username = told.username, password = told.password, organization } = {}) {
  return new uploadApi.Client(username, password, organization, 'http', told.server, undefined, recordingFetch, '9.9', 'tests');
}

function keyClient({ secret = told.key_secret, fetch = recordingFetch, organization } = {}) {
  return new uploadApi.ClientPKey(told.key_id, secret, organization, 'http', told.server, undefined, fetch, '9.9', 'tests');
}

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return String(error.message);
  }
  return null;
}

function arrowTable() {
  return new Table({
    s: vectorFromArray(['a', 'b', 'a'], new Dictionary(new Utf8(), new Int32())),
    d: vectorFromArray(['b', null, 'd'], new Utf8()),
    n: vectorFromArray([1, 2, 3], new Int32()),
    w: vectorFromArray([1.5, null, 3.5]),
    big: vectorFromArray([1n, 2n, 9007199254740993n]),
    at: vectorFromArray([new Date(0), null, new Date(1717243200000)], new TimestampMillisecond()),
    yes: vectorFromArray([true, false, null]),
  });
}

const steps = {
  async columns() {
    const signedIn = client();
    const edges = new uploadApi.EdgeFile(columns());
    const nodes = new uploadApi.NodeFile(structuredClone(NODES));
    const dataset = await new uploadApi.Dataset(bindings('columns'), edges, nodes, { play: 0 }).upload(signedIn);
    const { is_valid: valid, tables_schemas: schemas } = edges.fileUploadResponse;
    return { dataset: dataset.datasetID, url: dataset.datasetURL, file: edges.fileID, valid, schemas, uploaded: edges.data };
  },

  async rows() {
    const edges = new uploadApi.EdgeFile(structuredClone(ROWS));
    return { dataset: (await new uploadApi.Dataset(bindings('rows'), edges).upload(client())).datasetID };
  },

  async arrow() {
    const edges = new uploadApi.EdgeFile(tableToIPC(arrowTable(), 'file'), 'arrow');
    return { dataset: (await new uploadApi.Dataset(bindings('arrow'), edges).upload(client())).datasetID };
  },

  async arrow_of_arrays() {
    const made = tableFromArrays({ s: ['a', 'b'], d: ['b', 'a'], w: Float64Array.of(0.5, 1.5) });
    const edges = new uploadApi.EdgeFile(tableToIPC(made, 'file'), 'arrow');
    return { dataset: (await new uploadApi.Dataset(bindings('arrays'), edges).upload(client())).datasetID };
  },

  async csv() {
    const edges = new uploadApi.EdgeFile(new TextEncoder().encode('s;d\na;b\n'), 'csv', 'x', {}, 'erase=true&sep=%3B');
    return { dataset: (await new uploadApi.Dataset(bindings('csv'), edges).upload(client())).datasetID };
  },

  async reused_file() {
    const signedIn = client();
    const first = await new uploadApi.EdgeFile(columns()).upload(signedIn);
    const again = new uploadApi.EdgeFile(first.fileID);
    return { file: first.fileID, dataset: (await new uploadApi.Dataset(bindings('again'), again).upload(signedIn)).datasetID };
  },

  async older_client() {
    const signedIn = new nodeApi.Client(told.username, told.password, 'http', told.server);
    const found = {};
    for (const [form, table] of [['columns', columns()], ['rows', structuredClone(ROWS)]]) {
      const edges = new nodeApi.EdgeFile(table);
      const nodes = new nodeApi.NodeFile(structuredClone(NODES));
      found[form] = (await new nodeApi.Dataset(bindings(form), edges, nodes).upload(signedIn)).datasetID;
    }
    return found;
  },

  async organization() {
    const signedIn = client({ organization: told.organization });
    const dataset = await new uploadApi.Dataset(bindings('org'), new uploadApi.EdgeFile(columns())).upload(signedIn);
    return { dataset: dataset.datasetID };
  },

  async key() {
    sent.length = 0;
    const signedIn = keyClient();
    const dataset = await new uploadApi.Dataset(bindings('key'), new uploadApi.EdgeFile(columns())).upload(signedIn);
    return { dataset: dataset.datasetID, sent: [...sent] };
  },

  // Where a server does not take the POST (405) this client asks again by GET, without a body.
  async key_by_get() {
    sent.length = 0;
    const refusing = async (url, options) =>
      options.method === 'POST' && url.endsWith('pkey/jwt/') ? new Response('{}', { status: 405 }) : recordingFetch(url, options);
    const { file_id: file } = await keyClient({ fetch: refusing }).post('api/v2/files/', { file_type: 'json' });
    return { file, sent: [...sent] };
  },

  async given_token() {
    const token = await client().fetchToken(told.username, told.password, undefined, 'http', told.server);
    const signedIn = new uploadApi.Client('', '', undefined, 'http', told.server, undefined, recordingFetch).setToken(`Bearer ${token}`);
    const dataset = await new uploadApi.Dataset(bindings('token'), new uploadApi.EdgeFile(columns())).upload(signedIn);
    return { dataset: dataset.datasetID };
  },

  async privacy() {
    const signedIn = client({ organization: told.organization });
    const shared = {};
    for (const [mode, action] of [['private'], ['organization', 'view'], ['public', 'view']]) {
      const dataset = await new uploadApi.Dataset(bindings(mode), new uploadApi.EdgeFile(columns())).upload(signedIn);
      shared[mode] = { dataset: dataset.datasetID, failure: await failure(() => dataset.privacy(signedIn, mode, action)) };
    }
    return shared;
  },

  async privacy_of_another() {
    return { failure: await failure(() => new uploadApi.Privacy(told.foreign_dataset).upload(client())) };
  },

  async wrong_password() {
    const refused = client({ password: 'wrong' });
    const edges = new uploadApi.EdgeFile(columns());
    const message = await failure(() => new uploadApi.Dataset(bindings('x'), edges).upload(refused));
    return { failure: message, valid: refused.authTokenValid() };
  },

  async wrong_key() {
    const refused = keyClient({ secret: 'wrong' });
    return { failure: await failure(() => refused.post('api/v2/files/', { file_type: 'json' })), valid: refused.authTokenValid() };
  },

  async foreign_organization() {
    const answer = await client().fetchToken(told.username, told.password, 'others', 'http', told.server);
    return { token: Boolean(answer) };
  },

  async bad_file() {
    const file = new uploadApi.EdgeFile(new TextEncoder().encode('no arrow'), 'arrow');
    const message = await failure(() => file.upload(client()));
    return { failure: message, told: file.fileUploadResponse };
  },

  async bad_file_in_dataset() {
    const edges = new uploadApi.EdgeFile({ s: ['a', 'b'], d: ['b'] });
    const dataset = new uploadApi.Dataset(bindings('ragged'), edges);
    return { failure: await failure(() => dataset.upload(client())), told: dataset.getCreateDatasetResponse() ?? null };
  },

  async unknown_file() {
    const dataset = new uploadApi.Dataset(bindings('nothing'), new uploadApi.EdgeFile('0'.repeat(32)));
    return { failure: await failure(() => dataset.upload(client())), told: dataset.getCreateDatasetResponse() ?? null };
  },

  async answers_are_json() {
    const signedIn = client();
    const answers = [];
    for (const path of ['api/v2/nowhere', 'api/v2/upload/files/0', 'api/v2/datasets/0/python', 'healthz', 'api/v2/share/link/']) {
      answers.push(typeof (await signedIn.post(path, {})));
    }
    return answers;
  },
};

const report = { node: process.version };
for (const [name, step] of Object.entries(steps)) {
  try {
    report[name] = await step();
  } catch (error) {
    report[name] = { broken: String(error.stack) };
  }
}
print(JSON.stringify(report));
