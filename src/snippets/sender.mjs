// Sends one event. Set CONDUIT_API_KEY and CONDUIT_WEBHOOK_SECRET first. Ends with 0 once it is accepted.
const URL = {URL};

const EVENT = {EVENT};

const TRIES = 6;
const WORTH_ANOTHER_TRY = [429, 500, 502, 503, 504];

function credential(name) {
  const value = (process.env[name] ?? "").trim();
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// Answers with the receipt; throws if the event was not accepted.
async function send(event) {
  const key = credential("CONDUIT_API_KEY");
  const headers = {
    "Authorization": key.startsWith("Bearer ") ? key : `Bearer ${key}`,
    "x-webhook-secret": credential("CONDUIT_WEBHOOK_SECRET"),
    "Content-Type": "application/json",
  };
  let problem;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    let wait = 2 ** (attempt - 1);
    let answer;
    try {
      const options = { method: "POST", headers, body: JSON.stringify(event), signal: AbortSignal.timeout(30_000) };
      answer = await fetch(URL, options);
      problem = `${answer.status} ${await answer.text()}`;
    } catch (error) {
      answer = undefined;
      problem = `no answer: ${error.cause?.message ?? error.message}`;
    }
    if (answer?.ok) return JSON.parse(problem.slice(4));
    if (answer && !WORTH_ANOTHER_TRY.includes(answer.status)) throw new Error(problem);
    const after = answer?.headers.get("Retry-After") ?? "";
    if (/^\d+$/.test(after)) wait = Number(after);
    if (attempt < TRIES) await sleep(wait);
  }
  throw new Error(`not accepted after ${TRIES} tries: ${problem}`);
}

send(EVENT).then(
  (receipt) => console.log(JSON.stringify(receipt)),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
