"""What a person has allowed and nobody has fetched yet: codes, and devices that go on polling."""

from sqlalchemy import ColumnElement, Connection, delete, update

from app.store.authorizations import CodeRow
from app.store.device_authorizations import DeviceAuthorizationRow

Table = type[CodeRow] | type[DeviceAuthorizationRow]
_TABLES: tuple[Table, ...] = (CodeRow, DeviceAuthorizationRow)


def void_at_client(connection: Connection, user_id: str, client_id: str) -> None:
    for table in _TABLES:
        _void(connection, table, user_id, table.client_id == client_id)


def void_in_browser(connection: Connection, user_id: str, public_id: str) -> None:
    for table in _TABLES:
        _void(connection, table, user_id, table.browser_session_id == public_id)


def void_in_other_browsers(connection: Connection, user_id: str, public_id: str) -> None:
    for table in _TABLES:
        _void(connection, table, user_id, table.browser_session_id != public_id)


def move(connection: Connection, user_id: str, old: str, new: str) -> None:
    """From one browser session to the one that takes its place."""
    for table in _TABLES:
        connection.execute(
            update(table)
            .where(table.user_id == user_id, table.browser_session_id == old)
            .values(browser_session_id=new)
        )


def _void(connection: Connection, table: Table, user_id: str, which: ColumnElement[bool]) -> None:
    """Codes go, and devices are told that they were refused. The redeemed stay: a replay of a code
    is recognised by them.
    """
    open_ones = (table.user_id == user_id, which, table.redeemed_at.is_(None))
    if table is CodeRow:
        connection.execute(delete(CodeRow).where(*open_ones))
    else:
        connection.execute(update(DeviceAuthorizationRow).where(*open_ones).values(allowed=False))
