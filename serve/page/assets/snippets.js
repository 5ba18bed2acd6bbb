// The request of the form as a command line and as programs. A request is {url, json}
// or {url, parts}, whose parts are {name, text} or {name, file, filename}; key says
// whether the server asks for one.

import { pretty } from "./json.js";

const LONG = 4000; // letters of JSON that stand in a snippet

export const LANGUAGES = { curl: "curl", python: "Python", go: "Go" };

// inFile tells whether a request's JSON is better kept in a file, request.json.
export const inFile = (request) => request.json !== undefined && request.json.length > LONG;

// snippet writes a request in a language.
export function snippet(language, request) {
  return { curl, python, go }[language](request);
}

// laid is JSON as a person reads it: in one line, or in several when that is long.
const laid = (r) => (r.json.length > 80 ? pretty(r.value) : r.json);

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// quoted is the name of a file as curl's -F reads it.
const quoted = (name) => (/[;,"]/.test(name) ? `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : name);

function curl(r) {
  const lines = [`curl ${shell(r.url)}`];
  if (r.key) lines.push('-H "Authorization: Bearer $WHERRY_API_KEY"');
  if (r.stream) lines.push("-N -H 'Accept: text/event-stream'");
  if (r.parts) {
    for (const p of r.parts) lines.push(p.file ? `-F ${shell(`${p.name}=@${quoted(p.filename)}`)}` : `--form-string ${shell(`${p.name}=${p.text}`)}`);
  } else {
    lines.push("-H 'Content-Type: application/json'", inFile(r) ? "-d @request.json" : `-d ${shell(laid(r))}`);
  }
  return lines.join(" \\\n  ");
}

// literal is a value of JSON in Python.
function literal(v, indent = "") {
  if (v === null) return "None";
  if (v === true) return "True";
  if (v === false) return "False";
  if (typeof v === "string") return JSON.stringify(v);
  if (typeof v !== "object") return String(v);
  const inner = `${indent}    `;
  const items = Array.isArray(v) ? v.map((x) => literal(x, inner)) : Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}: ${literal(x, inner)}`);
  const [begin, end] = Array.isArray(v) ? ["[", "]"] : ["{", "}"];
  const flat = begin + items.join(", ") + end;
  return flat.length + indent.length <= 88 && !flat.includes("\n") ? flat : `${begin}\n${items.map((i) => inner + i).join(",\n")},\n${indent}${end}`;
}

function python(r) {
  const lines = ["import requests", ""];
  const options = [];
  if (r.key) {
    lines.splice(0, 0, "import os", "");
    options.push('headers={"Authorization": "Bearer " + os.environ["WHERRY_API_KEY"]}');
  }
  if (r.parts) {
    const files = r.parts.filter((p) => p.file), fields = r.parts.filter((p) => !p.file);
    options.push(`files={${files.map((p) => `${JSON.stringify(p.name)}: open(${JSON.stringify(p.filename)}, "rb")`).join(", ")}}`);
    if (fields.length > 0) options.push(`data={${fields.map((p) => `${JSON.stringify(p.name)}: ${JSON.stringify(p.text)}`).join(", ")}}`);
  } else if (inFile(r)) {
    options.push('data=open("request.json", "rb")');
    if (r.key) options[0] = options[0].replace("}", ', "Content-Type": "application/json"}');
    else options.push('headers={"Content-Type": "application/json"}');
  } else {
    options.push(`json=${literal(r.value, "    ")}`);
  }
  lines.push("answer = requests.post(", `    ${JSON.stringify(r.url)},`, ...options.map((o) => `    ${o},`), "    timeout=60,", ")", "answer.raise_for_status()", "print(answer.json())");
  return lines.join("\n");
}

const goString = (text) => (text.includes("`") || text.includes("\r") ? JSON.stringify(text).replaceAll("\\/", "/") : `\`${text}\``);

function go(r) {
  const imports = ["fmt", "io", "log", "net/http"];
  const body = [];
  let contentType = '"application/json"', reader = "body";
  if (r.parts) {
    imports.push("bytes", "mime/multipart");
    body.push("var body bytes.Buffer", "form := multipart.NewWriter(&body)");
    if (r.parts.some((p) => p.file)) imports.push("os");
    for (const p of r.parts) {
      if (p.file) {
        body.push("{", `\tcontent, err := os.ReadFile(${JSON.stringify(p.filename)})`, "\tif err != nil {", "\t\tlog.Fatal(err)", "\t}",
          `\tpart, err := form.CreateFormFile(${JSON.stringify(p.name)}, ${JSON.stringify(p.filename)})`, "\tif err != nil {", "\t\tlog.Fatal(err)", "\t}", "\tif _, err := part.Write(content); err != nil {", "\t\tlog.Fatal(err)", "\t}", "}");
      } else {
        body.push(`if err := form.WriteField(${JSON.stringify(p.name)}, ${goString(p.text)}); err != nil {`, "\tlog.Fatal(err)", "}");
      }
    }
    body.push("if err := form.Close(); err != nil {", "\tlog.Fatal(err)", "}");
    contentType = "form.FormDataContentType()";
    reader = "&body";
  } else if (inFile(r)) {
    imports.push("os");
    body.push('body, err := os.Open("request.json")', "if err != nil {", "\tlog.Fatal(err)", "}", "defer body.Close()");
  } else {
    imports.push("strings");
    body.push(`body := strings.NewReader(${goString(laid(r))})`);
  }
  if (r.key) imports.push("os");
  body.push(`request, err := http.NewRequest("POST", ${JSON.stringify(r.url)}, ${reader})`, "if err != nil {", "\tlog.Fatal(err)", "}",
    `request.Header.Set("Content-Type", ${contentType})`);
  if (r.key) body.push('request.Header.Set("Authorization", "Bearer "+os.Getenv("WHERRY_API_KEY"))');
  body.push("response, err := http.DefaultClient.Do(request)", "if err != nil {", "\tlog.Fatal(err)", "}", "defer response.Body.Close()",
    "answer, err := io.ReadAll(response.Body)", "if err != nil {", "\tlog.Fatal(err)", "}", "fmt.Printf(\"%s\\n%s\\n\", response.Status, answer)");
  return `package main\n\nimport (\n${[...new Set(imports)].sort().map((i) => `\t"${i}"`).join("\n")}\n)\n\nfunc main() {\n${body.map((l) => `\t${l}`).join("\n")}\n}`;
}
