"""Health of a service that speaks HTTP: `answers.py URL` ends with 0 if the address answers, else with 1."""

import sys
import urllib.request

TIMEOUT_S = 10

if __name__ == "__main__":
    try:
        # without proxies: the service is in this container
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(sys.argv[1], timeout=TIMEOUT_S).close()
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
