"""What people call the program behind a `User-Agent`. Programs say what they like: no rule may ask."""

UNKNOWN = "An unknown program"
LONGEST = 40
# In order: what came later calls itself by the names of what came before.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("Mozilla/", "A browser"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


def named(user_agent: str | None) -> str:
    """For example "Firefox on Windows"."""
    agent = user_agent or ""
    program = _first(_BROWSERS, agent) or _product(agent)
    if not program:
        return UNKNOWN
    system = _first(_SYSTEMS, agent)
    return f"{program} on {system}" if system else program


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for mark, name in names if mark in agent), "")


def _product(agent: str) -> str:
    """The name that comes first (RFC 9110 §10.1.5), without its version."""
    return agent.strip().partition(" ")[0].partition("/")[0][:LONGEST]
