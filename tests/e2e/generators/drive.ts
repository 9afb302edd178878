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

await good("me", api.GET("/api/auth/me"));
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
