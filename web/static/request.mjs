/* A request as an address and as a curl line. Pure functions, which the tests run in node. */

/* values: {name: text}; empty ones are left out of the query. */
export function target(operation, values) {
  const path = operation.path.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(values[name] ?? "") || `{${name}}`);
  const query = operation.parameters.filter((one) => one.in === "query" && (values[one.name] ?? "") !== "")
    .map((one) => `${encodeURIComponent(one.name)}=${encodeURIComponent(values[one.name])}`);
  return path + (query.length ? `?${query.join("&")}` : "");
}

export const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/* request: {method, url, headers: {}, token, body: null or {type, text} or {type, fields: [{name, value, isFile}]},
   streams}. The token is not spelled out: a line is pasted into places where it should not be read. */
export function curlLine(request) {
  const words = [request.streams ? "curl -N" : "curl"];
  const implied = request.body ? "POST" : "GET";
  if (request.method !== implied) words.push(`-X ${request.method}`);
  words.push(shellQuote(request.url));
  if (request.token) words.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(request.headers ?? {})) words.push(`-H ${shellQuote(`${name}: ${value}`)}`);
  const { type, text, fields } = request.body ?? {};
  if (fields)
    for (const { name, value, isFile } of fields) {
      const option = type !== "multipart/form-data" ? "--data-urlencode" : isFile ? "-F" : "--form-string";
      words.push(`${option} ${shellQuote(`${name}=${isFile ? "@" : ""}${value}`)}`);
    }
  else if (request.body)
    words.push(`-H ${shellQuote(`Content-Type: ${type}`)}`, `--data-binary ${shellQuote(text)}`);
  return words.join(" \\\n  ");
}
