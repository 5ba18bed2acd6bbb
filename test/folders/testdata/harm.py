# What a pickle could try when it is read. HOST is a folder of the machine.
import os
import socket
import sys

done = []
for place in ("/app/pwned", os.path.join(HOST, "pwned")):  # noqa: F821
    try:
        open(place, "w").close()
        done.append(place)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", 1), 1)
    done.append("net")
except (OSError, AttributeError):
    pass
done += [name for name in os.environ if "SECRET" in name]
sys.__stdout__.write('{"problem": {"kind": "module", "type": "T", "text": "", "module": "done=%s,"}}\n' % "+".join(done))
sys.__stdout__.flush()
