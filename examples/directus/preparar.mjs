// Prepares an EMPTY Directus for a demonstration or a test: collections, relations, a least-privilege role and a token.
// Needs Node 20 and nothing else. It never touches a collection that exists: an installation with data is left alone.
//
//   DIRECTUS_BASE_URL=http://127.0.0.1:8055 ADMIN_TOKEN=... PROCESSADOR_TOKEN=... IMPORTADOR_TOKEN=... node preparar.mjs
//
// PROCESSADOR_TOKEN becomes the token of the processors' user: it may do what the two processors do, and no more.
// IMPORTADOR_TOKEN, if set, becomes that of a user who may also put models, contracts and versions in.

const base = (process.env.DIRECTUS_BASE_URL ?? '').replace(/\/+$/, '');
const admin = process.env.ADMIN_TOKEN;
const processor = process.env.PROCESSADOR_TOKEN;
const importer = process.env.IMPORTADOR_TOKEN;
if (!base || !admin || !processor) {
  console.error('faltam DIRECTUS_BASE_URL, ADMIN_TOKEN ou PROCESSADOR_TOKEN');
  process.exit(2);
}

async function call(method, path, body) {
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    redirect: 'error',
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
  return text ? JSON.parse(text).data : undefined;
}

const string = (field) => ({ field, type: 'string', meta: { interface: 'input' }, schema: {} });
const text = (field) => ({ field, type: 'text', meta: { interface: 'input-multiline' }, schema: {} });
const integer = (field) => ({ field, type: 'integer', meta: { interface: 'input' }, schema: {} });
const file = (field) => ({ field, type: 'uuid', meta: { interface: 'file', special: ['file'] }, schema: {} });
const one = (field) => ({ field, type: 'integer', meta: { interface: 'select-dropdown-m2o', special: ['m2o'] }, schema: {} });
const many = (field) => ({ field, type: 'alias', meta: { interface: 'list-o2m', special: ['o2m'] } });
const created = { field: 'date_created', type: 'timestamp', meta: { special: ['date-created'], interface: 'datetime', readonly: true }, schema: {} };
const updated = { field: 'date_updated', type: 'timestamp', meta: { special: ['date-updated'], interface: 'datetime', readonly: true }, schema: {} };
const choice = (field, words, initial) => ({
  field,
  type: 'string',
  meta: { interface: 'select-dropdown', options: { choices: words.map((word) => ({ text: word, value: word })) } },
  schema: { default_value: initial },
});

const STATES = ['rascunho', 'processar', 'em_processamento', 'concluido', 'erro'];
const DECISIONS = ['draft', 'aceitar', 'ressalva', 'ajustar', 'validacao', 'recusar'];
const CATEGORIES = ['inclusao', 'remocao', 'modificacao', 'comentario', 'formatacao', 'movimentacao'];

const COLLECTIONS = {
  modelo_contrato: [choice('status', [...STATES, 'publicado'], 'rascunho'), string('nome'), string('versao'), created, updated,
    file('arquivo_original'), file('arquivo_com_tags'), many('tags'), many('clausulas')],
  modelo_contrato_tag: [string('status'), integer('sort'), one('modelo_contrato'), string('tag_nome'), text('caminho_tag_inicio'),
    text('caminho_tag_fim'), text('conteudo'), text('contexto'), integer('posicao_inicio'), integer('posicao_fim'), integer('linha_aproximada')],
  contrato: [string('numero'), string('titulo'), one('modelo_contrato'), many('versoes')],
  versao: [choice('status', STATES, 'rascunho'), string('versao'), created, updated, one('contrato'), file('arquivo'),
    file('modifica_arquivo'), file('relatorio_diff'), text('observacao'), many('modificacoes')],
  clausula: [string('numero'), string('nome'), text('conteudo'), one('modelo_contrato'), one('tag')],
  modificacao: [choice('status', DECISIONS, 'draft'), integer('sort'), one('versao'), choice('categoria', CATEGORIES, null), one('clausula'),
    text('conteudo'), text('alteracao'), text('nota_analista'), text('caminho_inicio'), text('caminho_fim')],
};

// many side, its field, one side, the one side's alias, what happens to a row that is taken out of the alias
const RELATIONS = [
  ['modelo_contrato_tag', 'modelo_contrato', 'modelo_contrato', 'tags', 'delete'],
  ['clausula', 'modelo_contrato', 'modelo_contrato', 'clausulas', 'nullify'],
  ['clausula', 'tag', 'modelo_contrato_tag', null, 'nullify'],
  ['contrato', 'modelo_contrato', 'modelo_contrato', null, 'nullify'],
  ['versao', 'contrato', 'contrato', 'versoes', 'nullify'],
  ['modificacao', 'versao', 'versao', 'modificacoes', 'delete'],
  ['modificacao', 'clausula', 'clausula', null, 'nullify'],
  ...[['modelo_contrato', 'arquivo_original'], ['modelo_contrato', 'arquivo_com_tags'], ['versao', 'arquivo'],
    ['versao', 'modifica_arquivo'], ['versao', 'relatorio_diff']].map(([many, field]) => [many, field, 'directus_files', null, 'nullify']),
];

const all = ['*'];
const mine = { uploaded_by: { _eq: '$CURRENT_USER' } };
// What the two processors do: collection, action, fields, rows.
const PROCESSOR = [
  ...Object.keys(COLLECTIONS).map((collection) => [collection, 'read', all, {}]),
  ['modelo_contrato', 'update', ['status', 'tags', 'clausulas'], {}],
  ['modelo_contrato_tag', 'create', all, {}],
  ['modelo_contrato_tag', 'update', all, {}],
  ['modelo_contrato_tag', 'delete', null, {}],
  ['clausula', 'update', ['tag', 'modelo_contrato'], {}],
  ['versao', 'update', ['status', 'observacao', 'relatorio_diff', 'modificacoes'], {}],
  ['modificacao', 'create', all, {}],
  // Neither status nor nota_analista: what an analyst decided cannot be changed with this token.
  ['modificacao', 'update', ['sort', 'versao', 'clausula', 'caminho_inicio', 'caminho_fim'], {}],
  ['modificacao', 'delete', null, {}],
  ['directus_files', 'read', all, {}],
  ['directus_files', 'create', all, {}],
  ['directus_files', 'delete', null, mine],
  // Which fields there are, which words a status has, what happens to a row that is taken out of its parent.
  ['directus_fields', 'read', all, {}],
  ['directus_relations', 'read', all, {}],
];
const IMPORTER = [
  ...Object.keys(COLLECTIONS).map((collection) => [collection, 'create', all, {}]),
  ['modelo_contrato', 'update', all, {}],
  ['versao', 'update', all, {}],
  ['modificacao', 'update', all, {}],
];

async function role(name, rules) {
  const policy = await call('POST', '/policies', { name, app_access: false, admin_access: false });
  await call('POST', '/permissions', rules.map(([collection, action, fields, permissions]) => ({ policy: policy.id, collection, action, fields, permissions })));
  const role = await call('POST', '/roles', { name });
  await call('POST', '/access', { role: role.id, policy: policy.id });
  return role.id;
}

async function user(name, token, roleId) {
  await call('POST', '/users', { first_name: name, email: `${name}@example.com`, role: roleId, status: 'active', token });
}

const existing = (await call('GET', '/collections')).map(({ collection }) => collection);
const taken = Object.keys(COLLECTIONS).filter((name) => existing.includes(name));
if (taken.length > 0) {
  console.log(`nada a preparar: já existem ${taken.join(', ')}`);
  process.exit(0);
}
const id = { field: 'id', type: 'integer', meta: { hidden: true, readonly: true }, schema: { is_primary_key: true, has_auto_increment: true } };
for (const [collection, fields] of Object.entries(COLLECTIONS)) {
  await call('POST', '/collections', { collection, meta: {}, schema: {}, fields: [id, ...fields] });
}
for (const [collection, field, related, alias, deselect] of RELATIONS) {
  await call('POST', '/relations', {
    collection, field, related_collection: related,
    meta: { one_field: alias, one_deselect_action: deselect, sort_field: null },
    schema: { on_delete: 'SET NULL' },
  });
}
await user('processador', processor, await role('Processadores do orquestrador', PROCESSOR));
if (importer) await user('importador', importer, await role('Importação de documentos', [...PROCESSOR.filter(([collection, action]) => !IMPORTER.some((rule) => rule[0] === collection && rule[1] === action)), ...IMPORTER]));
console.log('preparado: 6 coleções, papéis e tokens');
