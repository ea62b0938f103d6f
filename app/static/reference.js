// "Try it" without leaving the page; without JavaScript the browser shows the answer as a page of its own.
const form = document.getElementById("try");
const answer = document.getElementById("try-answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const headers = { Accept: "application/json" };
    const response = await fetch(form.action, { method: "POST", headers, body: new FormData(form) });
    answer.textContent = `${response.status}\n${JSON.stringify(await response.json(), null, 2)}`;
  } catch {
    answer.textContent = "The server did not answer.";
  }
  answer.hidden = false;
  button.disabled = false;
});
