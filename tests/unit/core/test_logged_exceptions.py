"""What a library's logger tells of an exception: its kind and place, never its message."""

import json
import logging
import logging.config
from io import StringIO

from apps.core import logs


def test_the_message_of_an_exception_is_not_logged():
    setting = logs.configure(level="INFO")
    stream = StringIO()
    setting["handlers"]["stderr"] = {**setting["handlers"]["stderr"], "stream": stream}
    setting["loggers"] = {"a.library": {"handlers": ["stderr"], "propagate": False}}
    del setting["root"]
    logging.config.dictConfig({**setting, "incremental": False})
    try:
        raise ValueError("Jane Roe, NL91ABNA0417164300")
    except ValueError:
        logging.getLogger("a.library").exception("it failed")

    line = json.loads(stream.getvalue())

    assert (line["event"], line["error"]) == ("it failed", "ValueError")
    assert "test_logged_exceptions.py" in line["places"][-1]
    assert "Jane" not in stream.getvalue()
