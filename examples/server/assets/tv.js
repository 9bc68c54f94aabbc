// The television asks by itself whether its user has answered, and waits as long as it was told to in between.
const form = document.getElementById("tv-poll");
const status = document.getElementById("tv-status");
let seconds = Number(form?.dataset.interval);

async function poll() {
  const answer = await fetch(form.action, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(new FormData(form)).toString(),
  });
  if (!answer.ok) {
    status.textContent = "Something went wrong. Start again.";
    return;
  }
  const { message, again } = await answer.json();
  if (status.textContent !== message) status.textContent = message;
  if (again === "slow_down") seconds += 5;
  if (again) setTimeout(poll, seconds * 1000);
  else form.hidden = true;
}

if (form) setTimeout(poll, seconds * 1000);
