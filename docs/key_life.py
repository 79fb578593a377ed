"""The lives of signing keys, drawn from what `keyring.plan` does when time passes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.core import keyring
from app.core.keyring import Algorithm, Key, KeyState, Policy

MINUTE = 60_000
POLICY = Policy(Algorithm.RS256, 60 * MINUTE, 20 * MINUTE, 15 * MINUTE)
DRAWN = 200
STEP = MINUTE // 2
SCALE = 4
LEFT, TOP, ROW, BAR = 70, 62, 44, 24
SHOWN = (KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING)

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">
  <title id="title">The lives of signing keys</title>
  <desc id="desc">{desc}</desc>
  <style>
    text {{ font: 13px system-ui, sans-serif; fill: #1f2328; }}
    .small {{ font-size: 12px; fill: #57606a; }}
    .next {{ fill: #ddf4ff; stroke: #0969da; }}
    .active {{ fill: #1a7f37; stroke: #1a7f37; }}
    .retiring {{ fill: #fff8c5; stroke: #9a6700; }}
    .on-active {{ fill: #ffffff; }}
    .line {{ stroke: #d0d7de; stroke-dasharray: 3 4; }}
    @media (prefers-color-scheme: dark) {{
      svg {{ background: #0d1117; }}
      text {{ fill: #e6edf3; }}
      .small {{ fill: #9198a1; }}
      .next {{ fill: #0c2d6b; }}
      .retiring {{ fill: #4d3800; }}
      .on-active {{ fill: #ffffff; }}
      .line {{ stroke: #30363d; }}
    }}
  </style>
"""


@dataclass(frozen=True)
class Span:
    """A key was in a state from one moment to another."""

    kid: str
    state: KeyState
    begin: int
    end: int


def history() -> list[Span]:
    """From a first start on: what the plan makes of three successions."""
    keys = [_key(0, 0, signs_from=0)]
    seen: list[Span] = []
    for now in range(0, DRAWN * MINUTE, STEP):
        plan = keyring.plan(keys, now, POLICY)
        changed = {key.kid: key for key in plan.dropped}
        if plan.promotion is not None:
            changed |= {key.kid: key for key in plan.promotion.dates()}
        keys = [changed.get(key.kid, key) for key in keys]
        keys += [_key(len(keys) + number, now) for number in range(plan.lacking)]
        for key in keys:
            _extend(seen, Span(key.kid, keyring.state(key, keys, now), now, now + STEP))
    return [span for span in seen if span.state in SHOWN]


def _key(number: int, now: int, signs_from: int | None = None) -> Key:
    kid = f"key {number + 1}"
    return Key(kid, POLICY.alg, now, POLICY.max_age, POLICY.longest_token, signs_from)


def _extend(seen: list[Span], span: Span) -> None:
    for place, earlier in enumerate(seen):
        if (earlier.kid, earlier.state, earlier.end) == (span.kid, span.state, span.begin):
            seen[place] = replace(earlier, end=span.end)
            return
    seen.append(span)


def svg() -> str:
    spans = history()
    rows = list(dict.fromkeys(span.kid for span in spans))
    height = TOP + ROW * len(rows) + 30
    desc = (
        "One row for each key, time to the right. A key is published as next, then signs, then"
        " verifies until its last token has expired, then leaves. When one begins to sign, another"
        " is published."
    )
    parts = [HEAD.format(width=LEFT + DRAWN * SCALE + 20, height=height, desc=desc)]
    parts += _axis(height)
    for number, kid in enumerate(rows):
        top = TOP + ROW * number
        parts.append(_text(10, top + BAR - 7, kid, "name"))
        parts += [_bar(span, top) for span in spans if span.kid == kid]
    return "".join(parts) + "</svg>\n"


def _axis(height: int) -> Iterator[str]:
    yield _text(
        LEFT,
        20,
        f"interval {POLICY.interval // MINUTE} min, JWKS max-age "
        f"{POLICY.max_age // MINUTE} min, tokens {POLICY.longest_token // MINUTE} min",
        "small",
    )
    for minute in range(0, DRAWN + 1, POLICY.interval // MINUTE):
        x = LEFT + minute * SCALE
        yield f'  <path class="line" d="M{x} {TOP - 14}V{height - 24}"/>\n'
        yield _text(x, TOP - 20, f"{minute} min", "small")


def _bar(span: Span, top: int) -> str:
    x, width = LEFT + span.begin * SCALE // MINUTE, (span.end - span.begin) * SCALE // MINUTE
    box = f'  <rect class="{span.state.value}" x="{x}" y="{top}" width="{width}" height="{BAR}"/>\n'
    return box + _text(x + 6, top + BAR - 7, span.state.value, f"on-{span.state.value}")


def _text(x: int, y: int, words: str, kind: str) -> str:
    return f'  <text class="{kind}" x="{x}" y="{y}">{words}</text>\n'
