"""Three tabs of one Chromium that reload in a loop, with the script of docs/first-party.md."""

import json

import pytest
from sqlalchemy import text

from tests.flows.enrolment import beside, enrol
from tests.guides import block
from tests.live import LiveServer
from tests.scale import record, scaled

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.proof]
TABS, TOKEN_SECONDS = 3, 2
SECONDS = scaled(8, 60)
# What a tab has counted outlives its reloads. Every fourth load does not wait for the answer.
LOOP = """
const { tab, until } = Object.fromEntries(new URL(location).searchParams);
const counted = JSON.parse(localStorage.getItem(tab)) ?? { loads: 0, answers: 0, refused: [] };

async function load() {
  counted.loads += 1;
  if (counted.loads % 4 === 0) {
    refresh().catch(() => {});
    await fetch("/soon");
    return;
  }
  const headers = { Authorization: `Bearer ${(await refresh()).access_token}` };
  const answer = await fetch(api + "session", { headers });
  if (!answer.ok) throw new Error(`the access token: ${answer.status}`);
  counted.answers += 1;
}

async function loop() {
  await load().catch((error) => counted.refused.push(`${error.reason} ${error.message}`));
  counted.done = Date.now() > until;
  localStorage.setItem(tab, JSON.stringify(counted));
  if (!counted.done) location.reload();
}

loop();
"""
COUNTED = "return Object.values(localStorage).map(JSON.parse)"


def generation(server: LiveServer) -> int:
    with beside(server) as run, run.rotations.connect() as connection:
        return connection.execute(text("SELECT gen FROM sessions")).scalar_one()


@pytest.mark.parametrize("grace", [60, 4])
def test_three_tabs_that_reload_in_a_loop_stay_signed_in(grace, tmp_path, web_site, chromium):
    """Access tokens live for two seconds; the refresh token changes every `grace / 2` seconds."""
    site = web_site()
    env = {
        "PERENNIAL_ACCESS_TOKEN_TTL": str(TOKEN_SECONDS),
        "PERENNIAL_REUSE_GRACE": str(grace),
    }
    with LiveServer(tmp_path, workers=2, env=env) as server:
        account = enrol(server, public=True, first_party=True, origins=(site.url,))
        changes = {"http://127.0.0.1:9500": server.url, '"…"': json.dumps(account.client_id)}
        script = block("first-party.md", "js", changes)
        site.publish(
            {
                "/": f"<script>{script}</script>",
                "/loop": f"<script>{script}{LOOP}</script>",
                "/soon": "",
            }
        )
        browser = chromium("one")
        browser.open(f"{site.url}/")
        browser.run("return login(...arguments)", account.username, account.password)
        here, until = browser.tab, browser.run("return Date.now()") + 1000 * SECONDS
        for number in range(TABS):
            browser.switch(browser.new_tab())
            browser.open(f"{site.url}/loop?tab={number}&until={until}")
        browser.switch(here)
        browser.until(
            f"Object.values(localStorage).filter((it) => JSON.parse(it).done).length === {TABS}",
            seconds=SECONDS + 30,
        )
        counted = browser.run(COUNTED)
        assert [each["refused"] for each in counted] == [[]] * TABS
        assert min(each["answers"] for each in counted) > SECONDS // 4, counted
        assert browser.run("return refresh()")["session"]["state"] == "live"
        rotations = generation(server) - 1
        assert rotations >= SECONDS // grace
        record(
            "tabs that reload",
            f"grace {grace} s",
            {
                "tabs": TABS,
                "seconds": SECONDS,
                "reloads": sum(each["loads"] for each in counted),
                "answers": sum(each["answers"] for each in counted),
                "rotations": rotations,
                "signed out": sum(len(each["refused"]) for each in counted),
            },
        )
