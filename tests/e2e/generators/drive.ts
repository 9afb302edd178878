/* Drives the API through the client that openapi-fetch makes of the contract. Prints each operation that it called. */
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

declare const process: { env: Record<string, string> };
type Task = components["schemas"]["Task"];

const base = process.env.WEB_URL!;
const anonymous = createClient<paths>({ baseUrl: base });

/* The data of an answer that must be a good one. */
async function good<T>(name: string, answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw new Error(`${name}: ${response.status} ${JSON.stringify(error)}`);
  console.log(name);
  return data as T;
}

/* An error is typed as well. */
async function refused(name: string, status: number, answer: Promise<{ error?: components["schemas"]["Problem"]; response: Response }>) {
  const { error, response } = await answer;
  if (response.status !== status || !error?.code) throw new Error(`${name}: ${response.status} ${JSON.stringify(error)}`);
  console.log(name);
}

const username = process.env.USERNAME!, password = "Correct-Horse-9";
await good("signup", anonymous.POST("/api/auth/signup", { body: { username, email: `${username}@example.com`, password1: password, password2: password } }));
const login = await good("login", anonymous.POST("/api/auth/login", { body: { username, password } }));
const api = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${login.access_token}` } });
const id = (task: Task) => ({ params: { path: { id: String(task.id) } } });

/* What is no JSON: pages, and event streams of which the head tells enough. */
async function opened(name: string, answer: Promise<{ response: Response }>) {
  const { response } = await answer;
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  await response.body?.cancel().catch(() => undefined);
  console.log(name);
}

await good("me", api.GET("/api/auth/me"));
await refused("askConfirmation", 409, api.POST("/api/auth/confirmation"));
await opened("confirmPage", anonymous.GET("/api/auth/confirm", { parseAs: "text" }));
await refused("confirmEmail", 400, anonymous.POST("/api/auth/confirm", { body: { token: "none" } }));
await refused("askReset", 409, anonymous.POST("/api/auth/reset", { body: { email: "nobody@example.com" } }));
await opened("resetPage", anonymous.GET("/api/auth/reset/password", { parseAs: "text" }));
await refused("usePasswordReset", 400, anonymous.POST("/api/auth/reset/password", { body: { token: "none", password1: password, password2: password } }));
const key = await good("createKey", api.POST("/api/keys", { body: { name: "generated", scopes: ["read"] } }));
await good("listKeys", api.GET("/api/keys"));
await good("deleteKey", api.DELETE("/api/keys/{id}", { params: { path: { id: String(key.id) } } }));

const made = await good("createTask", api.POST("/api/tasks", { params: { query: { wait: 60 } }, body: { kind: "insert_records", records: 1 } }));
const users: number | undefined = made.task.result?.insertedRecords?.users;
if (users !== 1 || made.task.receipt !== null || made.task.deliveries.length !== 0) throw new Error(JSON.stringify(made));
await good("getTask", api.GET("/api/tasks/{id}", id(made.task)));
await good("listTasks", api.GET("/api/tasks", { params: { query: { max: 1, status: ["processed"] } } }));
await refused("redoTask", 409, api.PUT("/api/tasks/{id}", { ...id(made.task), body: { newFormat: "mp3" } }));
await refused("cancelTask", 409, api.POST("/api/tasks/{id}/cancel", id(made.task)));
const link = await good("createLink", api.POST("/api/tasks/{id}/links", { ...id(made.task), body: { expires_in: 60 } }));
await good("listLinks", api.GET("/api/tasks/{id}/links", id(made.task)));
await good("deleteLink", api.DELETE("/api/tasks/{id}/links/{link_id}", { params: { path: { id: String(made.task.id), link_id: String(link.id) } } }));
const stream = await good("createStreamToken", api.POST("/api/tokens/stream", { body: { purpose: "events" } }));
if (!stream.token) throw new Error("a stream token is a text");
await opened("events", api.GET("/api/events", { parseAs: "stream" }));
await opened("taskEvents", api.GET("/api/tasks/{id}/events", { ...id(made.task), parseAs: "stream" }));
await refused("getFile", 404, api.GET("/api/files/{file_id}", { params: { path: { file_id: made.task.file_id } } }));
await good("deleteTasks", api.DELETE("/api/tasks", { params: { query: { kind: "insert_records", dry_run: 1 } } }));
await good("deleteTask", api.DELETE("/api/tasks/{id}", id(made.task)));
await refused("listAllTasks", 403, api.GET("/api/tasks/all"));

const upload = await good("createUpload", api.POST("/api/uploads", { body: { fileName: "a.wav", size: 10, contentType: "audio/wav" } }));
await good("listUploads", api.GET("/api/uploads"));
await good("cancelUpload", api.DELETE("/api/uploads/{upload_id}", { params: { path: { upload_id: upload.upload_id } } }));
await refused("probe", 404, api.POST("/api/probe", { body: { upload_id: upload.upload_id } }));
await good("listDeliveries", api.GET("/api/deliveries"));
await refused("replayDelivery", 404, api.POST("/api/deliveries/{id}/replay", { params: { path: { id: "999999999" } } }));

await good("alive", anonymous.GET("/alive"));
await good("apiHealth", anonymous.GET("/api-health"));
await good("ping", anonymous.GET("/ping"));
const health = await good("converterHealth", anonymous.GET("/converter-health", { params: { query: { wait: "1" } } }));
if (health.status === "healthy" && health.ms < 0) throw new Error("the alternatives are told apart by status");
await good("openapi30", anonymous.GET("/openapi-3.0.json"));
await good("openapi", anonymous.GET("/openapi.json"));
for (const [name, path] of [["docs", "/docs"], ["report", "/report"], ["index", "/"]] as const) await opened(name, anonymous.GET(path, { parseAs: "text" }));

await opened("asset", anonymous.GET("/assets/{name}", { params: { path: { name: "base.css" } }, parseAs: "text" }));

/* The stack has no benchmark, and a user is not the platform. */
await refused("benchmarkStart", 404, anonymous.POST("/benchmark/conversion/start", { body: { newFormat: "wav", taskNumber: 1 } }));
await refused("benchmarkData", 404, anonymous.GET("/benchmark/conversion/data"));
await refused("benchmarkResult", 404, anonymous.GET("/benchmark/conversion/result"));
await refused("sweep", 401, anonymous.POST("/internal/sweep", { body: {} }));
await refused("deadLetters", 401, anonymous.POST("/internal/dead-letters", { body: { message: { messageId: "1" }, subscription: "s" } }));

/* It takes no guests, shows no metrics without a token, and the user is no operator. */
await refused("beginGuest", 404, anonymous.POST("/api/auth/guest"));
await refused("keepGuest", 409, api.POST("/api/auth/guest/account", { body: { username, email: `${username}@example.com`, password1: password, password2: password } }));
await refused("listFailures", 403, api.GET("/api/operator/failures", { params: { query: { hours: 1 } } }));
await refused("listFailedTasks", 403, api.GET("/api/operator/failed", { params: { query: { code: "service_fault" } } }));
await refused("listStuckTasks", 403, api.GET("/api/operator/stuck"));
await refused("listDeadLetters", 403, api.GET("/api/operator/dead-letters"));
await refused("showLeases", 403, api.GET("/api/operator/leases"));
await refused("showUsage", 403, api.GET("/api/operator/users/{name}/usage", { params: { path: { name: username } } }));
await refused("requeueTask", 403, api.POST("/api/operator/tasks/{id}/requeue", { params: { path: { id: "1" } } }));
await refused("metrics", 403, api.GET("/metrics", { parseAs: "text" }));
await good("status", anonymous.GET("/api/status"));
await opened("operatorPage", anonymous.GET("/operator", { parseAs: "text" }));
await opened("statusPage", anonymous.GET("/status", { parseAs: "text" }));

const renamed = `${username}b`;
await good("renameUser", api.PUT("/api/auth/me", { body: { username: renamed } }));
await good("changePassword", api.POST("/api/auth/password", { body: { password, password1: `${password}x`, password2: `${password}x` } }));
const again = await anonymous.POST("/api/auth/login", { body: { username: renamed, password: `${password}x` } });
const last = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${again.data?.access_token}` } });
await good("deleteUser", last.DELETE("/api/auth/me", { body: { password: `${password}x` } }));
await refused("logOutEverywhere", 401, last.POST("/api/auth/logout"));
