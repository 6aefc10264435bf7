"""What the tests show beyond the protocol, by number: ``@pytest.mark.claim(30)`` is a test that shows claim 30.

The numbers are those of the checklist that the product was built against; claims without a marked test are not listed.
Paragraphs of ``docs/protocol.md`` are marked the same way: ``@pytest.mark.protocol("4.6")``.
"""

from typing import Final

CLAIMS: Final[dict[int, str]] = {
    1: "A run that does not end by itself is dead soon after its deadline, wherever it is.",
    2: "Runs that were ended leave no process, and the next call is as fast as before.",
    3: "Code that ignores signals, holds the interpreter, sleeps or catches everything ends on time too.",
    4: "A cancel or a client that leaves ends the run within a second; a second cancel changes nothing.",
    5: "The deadline covers the encoding of the result.",
    6: "A full queue refuses at once and says when to come again.",
    7: "A task that takes more memory than its limit ends alone, and its error names the limit.",
    8: "Much output costs the server nothing; the answer has its beginning and its end and says that it was cut.",
    9: "A result over its limit is refused, and the error names the limit.",
    10: "A scratch directory that is full ends its run by name.",
    12: "A task reaches no network, no other process and none of the server's sockets.",
    13: "A task sees nothing of the server's environment, keys, tokens or code.",
    14: "A scratch directory is one run's own and is gone after the run.",
    15: "Nothing that a run changes is seen by the next run.",
    18: "The start says which walls stand, and refuses to go on if one that was asked for is missing.",
    19: "A crash is named by its signal or exit code, and the server goes on.",
    20: "A killed replica costs only the calls that it was serving.",
    21: "After a kill of everything a restart finds all that was acknowledged.",
    22: "An interrupt ends every process within seconds.",
    24: "Many first calls of one dataset load it once.",
    25: "Forged, foreign, malformed and oversized tokens are refused and reach no replica.",
    26: "A token's times, issuer and audience are enforced; it is refreshed until it expires, for a limited time.",
    27: "Signing keys have 256 bits or the server does not start; two keys are accepted while one replaces the other.",
    28: "Disabling a user, a new password and logging out end older tokens within 5 seconds on every replica.",
    29: "401 and 403 are told apart; refusals of a log-in help nobody guess, by their words or their time.",
    30: "A cookie changes nothing without the CSRF token that belongs to it.",
    31: "A request that comes from another site's page is refused.",
    32: "A Bearer token needs no CSRF token; CSRF tokens are compared in constant time and renewed at each log-in.",
    33: "Session cookies are hidden from scripts, new at each log-in, dead after it, and secure under https.",
    34: "Every response forbids guessing content types, framing and plug-ins; behind TLS it has a year of HSTS.",
    35: "Another user's dataset, file, key or run looks exactly like one that does not exist.",
    36: "What one user may use at a time is limited.",
    37: "Passwords are hashed off the event loop, and the eleventh failure within a minute is 429.",
    38: "Log-ins, refusals, changes, runs and cancellations leave a line in the audit, without secrets.",
    39: "Errors show no traceback or path of the server; those of tasks have frames of the user and of libraries only.",
    40: "No log holds a token, a cookie, a password or code.",
    41: "Each release of PyGraphistry of the last two years works.",
}
