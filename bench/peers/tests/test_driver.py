"""Clients of peers run in processes of their own: orders in, numbers out."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.client import BadAnswer
from bench.peers.subject import Driver
from bench.servers import ROOT

CLIENT = """
import time
from bench.peers.apps.driver import main

def connect(number):
    print("a library that prints")
    def call(task):
        if task == "fail":
            raise ValueError("no such task")
        if task == "hang" and number == 1:
            time.sleep(600)
        return task
    return call

main(connect)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = Driver([sys.executable, "-c", CLIENT], environment, tmp_path / "log")
    yield driver
    driver.kill()


def test_a_drive_tells_every_latency(driver: Driver) -> None:
    told = driver.order({"do": "drive", "task": "{}", "clients": 2, "seconds": 0.1}, 30)
    assert len(told["latencies_s"]) > 2
    assert told["wall_s"] >= 0.1


def test_one_failing_call_fails_the_drive(driver: Driver) -> None:
    with pytest.raises(BadAnswer, match=r"^ValueError: no such task$"):
        driver.order({"do": "drive", "task": "fail", "clients": 2, "seconds": 0.1}, 30)


def test_attempts_are_told_in_the_order_of_clients(driver: Driver) -> None:
    told = driver.order({"do": "attempt", "task": "hang", "clients": 3, "patience_s": 0.5}, 30)["attempts"]
    assert [one.get("answer") for one in told] == ["hang", None, "hang"]
    assert told[1] == {}


def test_a_client_that_says_nothing_is_given_up(driver: Driver) -> None:
    with pytest.raises(BadAnswer, match=r"said nothing within 0\.3 s"):
        driver.order({"do": "drive", "task": "hang", "clients": 2, "seconds": 0.1}, 0.3)


def test_a_client_that_ended_is_told(tmp_path: Path) -> None:
    driver = Driver([sys.executable, "-c", "pass"], dict(os.environ), tmp_path / "log")
    try:
        with pytest.raises(BadAnswer, match="its client has ended"):
            driver.order({"do": "prepare"}, 30)
    finally:
        driver.kill()
