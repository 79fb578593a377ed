"""Answers to the same question that overlap."""

import pytest

from app.core.authorization import Asked
from app.protocol import browser, interaction
from app.protocol.authorization import read
from app.protocol.browser import Visitor
from app.protocol.credentials import Person
from app.protocol.forms import Form
from app.store import users
from tests.person import request, web_app
from tests.protocol.expect import everything


@pytest.mark.parametrize("first", ["allow", "deny"])
def test_a_question_that_is_answered_either_way_at_once_has_one_answer(any_site, first):
    """All have read the waiting request before one of them answers it."""
    site, run = any_site, any_site.run
    made = site.user()
    client = web_app(site)
    with run.rotations.connect() as connection:
        user = users.find(connection, made.id)
    assert user is not None
    with site.app.test_request_context("/consent"):
        nobody = Visitor(None, "", "F" * 43, forms_is_new=False)
        who = browser.sign_in(run, Person(user), nobody, browser.Device(), remember=False)
        form = Form(request(client))
        asked = read(run, form, pushed=False)
        assert isinstance(asked, Asked)
        waiting = interaction.park(run, who, form)

        def allow():
            return interaction.proceed(run, asked, who, form, waiting, allowed=True)

        def deny():
            return interaction.decline(run, asked, who, waiting)

        stands, late = (allow, deny) if first == "allow" else (deny, allow)
        assert stands().status_code == 303
        before = everything(site)
        assert (late().status_code, late().location) == (400, None)
        assert everything(site) == before
        assert stands().status_code == 303, "a second click"
