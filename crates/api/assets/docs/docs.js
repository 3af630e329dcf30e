// Renders openapi.json. Text goes into the page as text only: no HTML is ever made of it.
'use strict';

function element(name, attributes, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// `code` between backticks, the rest as it is.
function prose(text) {
  return (text ?? '').split('`').map((part, i) => (i % 2 ? element('code', {}, part) : part));
}

function resolve(document_, schema) {
  const name = schema.$ref?.split('/').pop();
  return name ? document_.components.schemas[name] : schema;
}

// A schema in a few words, with links to the named ones.
function type(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').pop();
    return [element('a', { href: `#schema-${name}` }, name)];
  }
  const either = schema.oneOf ?? schema.anyOf;
  if (either && !schema.properties) return join(either.map(type), ' or ');
  if (schema.allOf) return join(schema.allOf.map(type), ' and ');
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(' | ')];
  if ('const' in schema) return [JSON.stringify(schema.const)];
  const kinds = [schema.type ?? 'any'].flat().filter((kind) => kind !== 'null');
  if (kinds.includes('array') && schema.items) return ['list of ', ...type(schema.items)];
  if (schema.additionalProperties?.type || schema.additionalProperties?.$ref) {
    return ['map to ', ...type(schema.additionalProperties)];
  }
  const range = ['minimum', 'maximum'].filter((key) => key in schema)
    .map((key) => (key === 'minimum' ? `≥ ${schema[key]}` : `≤ ${schema[key]}`)).join(', ');
  return [kinds.join(' | ') + (range && ` ${range}`) + (schema.format ? ` (${schema.format})` : '')];
}

function join(lists, word) {
  return lists.flatMap((list, i) => (i ? [word, ...list] : list));
}

function table(rows) {
  const body = rows.map(([name, kind, about]) =>
    element('tr', {}, element('td', {}, element('code', {}, name)), element('td', {}, ...kind), element('td', {}, ...about)));
  return element('table', {}, element('tbody', {}, ...body));
}

function members(schema) {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).map(([name, member]) => [
    name, type(member), [...prose(member.description), required.has(name) ? element('span', { className: 'soft' }, ' required') : '']]);
}

function media(content) {
  return Object.entries(content ?? {}).flatMap(([mediaType, { schema, example, examples }]) => {
    const shown = Object.values(examples ?? (example ? { example: { value: example } } : {}));
    return [
      element('p', {}, element('code', {}, mediaType), ' ', ...type(schema)),
      ...shown.map(({ value }) => element('pre', {}, JSON.stringify(value, null, 2))),
    ];
  });
}

function operation(path, method, about) {
  const summary = element('summary', {}, element('span', { className: 'method' }, method.toUpperCase()), ' ',
    element('code', {}, path), ' ', ...prose(about.summary));
  const inside = element('div', {}, element('p', {}, ...prose(about.description)));
  if (about.parameters?.length) {
    inside.append(element('h4', {}, 'Parameters'), table(about.parameters.map((parameter) => [
      parameter.name, type(parameter.schema), [...prose(parameter.description), element('span', { className: 'soft' }, ` in ${parameter.in}`)]])));
  }
  if (about.requestBody) inside.append(element('h4', {}, 'Body'), ...media(about.requestBody.content));
  inside.append(element('h4', {}, 'Answers'));
  for (const [status, response] of Object.entries(about.responses)) {
    inside.append(element('p', {}, element('strong', {}, status), ' ', ...prose(response.description)), ...media(response.content));
  }
  return element('details', { id: about.operationId }, summary, inside);
}

function render(openapi) {
  const main = document.getElementById('main');
  main.replaceChildren(
    element('h1', {}, `${openapi.info.title} ${openapi.info.version}`),
    element('p', {}, openapi.info.description, ' ', element('a', { href: 'openapi.json' }, 'openapi.json')));
  for (const tag of openapi.tags) {
    main.append(element('h2', {}, tag.name), element('p', { className: 'soft' }, tag.description));
    for (const [path, operations] of Object.entries(openapi.paths)) {
      for (const [method, about] of Object.entries(operations)) {
        if (about.tags.includes(tag.name)) main.append(operation(path, method, about));
      }
    }
  }
  main.append(element('h2', {}, 'Schemas'));
  for (const [name, schema] of Object.entries(openapi.components.schemas)) {
    const parts = [schema, ...(schema.allOf ?? []).map((part) => resolve(openapi, part))];
    main.append(element('h3', { id: `schema-${name}` }, name), element('p', {}, ...prose(schema.description)));
    const rows = parts.flatMap(members);
    main.append(rows.length ? table(rows) : element('p', {}, ...type(schema)));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch('openapi.json')
  .then((response) => response.json())
  .then(render)
  .catch((error) => document.getElementById('main').replaceChildren(
    element('p', {}, `openapi.json cannot be read: ${error.message}`)));
