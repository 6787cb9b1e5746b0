"""Checks: facts go in, judged `Check`s come out, no call is made."""

from tasks.core.checks.check import Check, Result, failed, passed, skipped

__all__ = ["Check", "Result", "failed", "passed", "skipped"]
