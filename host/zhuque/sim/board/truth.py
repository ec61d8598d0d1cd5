"""Sessions as they were lived: what a bill would say if everything were known.

A session begins when the contact closes after somebody asked for power, and ends when the bike is pulled out or when
the contact opens. A contact that closes again with the same bike and without a new request continues the same session.
Energy is what went through the contact, in double precision; `closed_s` is how long it was closed. Faults are kept with
their beginning and their end.
"""

_MOST_FAULTS = 2000  # what comes on top is counted, not kept


class Truth:
    """Times in microseconds of the world; `physics.energy_j` is the energy. Sockets from 0."""

    def __init__(self, physics, start_unix):
        self._physics = physics
        self._start_unix = start_unix
        # [socket, started_us, ended_us or -1, joules at the start, joules in it, account, how it ended, closings,
        # microseconds closed before the last closing, when that was]
        self.sessions = []
        self._last = [-1] * physics.count  # index of the session that may go on
        self._account = [None] * physics.count
        self.faults = []  # [name, socket or None, began_us, ended_us or -1, detail]
        self.faults_lost = 0

    def unix(self, us):
        """Unix seconds, whole ones, of a time of the world."""
        return self._start_unix + us // 1000000

    def fault(self, name, i, on, now_us, detail=None):
        """A fault of socket i, or of the point (None), began or ended. One that goes on does not begin again."""
        for fault in self.faults:
            if fault[0] == name and fault[1] == i and fault[3] < 0:
                if not on:
                    fault[3] = now_us
                return
        if on and len(self.faults) < _MOST_FAULTS:
            self.faults.append([name, i, now_us, -1, detail])
        elif on:
            self.faults_lost += 1

    def asked(self, i, account):
        """Somebody scanned: what comes is a session of its own."""
        self._account[i] = account
        if self._last[i] >= 0 and self.sessions[self._last[i]][2] >= 0:
            self._last[i] = -1

    def closed(self, i, now_us):
        """The contact closed. One that welds shut by itself begins no session: what flows is nobody's."""
        if not self._physics.sockets[i].commanded:
            return
        joules = self._physics.energy_j(i)
        last = self._last[i]
        if last < 0:
            self._last[i] = len(self.sessions)
            self.sessions.append([i, now_us, -1, joules, 0.0, self._account[i], None, 1, 0, now_us])
        else:
            session = self.sessions[last]
            if session[2] < 0:
                return  # it never opened: a bike was plugged into a live socket
            session[2] = -1
            session[6] = None
            session[7] += 1
            session[3] = joules - session[4]
            session[9] = now_us

    def opened(self, i, now_us):
        """The contact opened."""
        self._end(i, now_us, "opened")

    def unplugged(self, i, now_us):
        """The bike is gone: this session is over for good, although the contact may still be closed."""
        self._end(i, now_us, "unplugged")
        self._last[i] = -1

    def _end(self, i, now_us, how):
        last = self._last[i]
        if last >= 0 and self.sessions[last][2] < 0:
            session = self.sessions[last]
            session[2] = now_us
            session[6] = how
            session[4] = self._physics.energy_j(i) - session[3]
            session[8] += now_us - session[9]

    def report(self):
        """`sockets`, `sessions`, `faults`: energies in mWh, times in Unix seconds, null for what goes on."""
        sockets = []
        for i in range(self._physics.count):
            sockets.append({"socket": i + 1, "energy_mwh": _mwh(self._physics.energy_j(i))})
        return {
            "sockets": sockets,
            "sessions": [self._row(session) for session in self.sessions],
            "faults": [self._fault(fault) for fault in self.faults],
            "faults_lost": self.faults_lost,
        }

    def _fault(self, fault):
        name, i, began, ended, detail = fault
        return {
            "fault": name,
            "socket": None if i is None else i + 1,
            "began": self.unix(began),
            "ended": None if ended < 0 else self.unix(ended),
            "detail": detail,
        }

    def _row(self, session):
        i, started, ended, base, joules, account, how, closings, closed_us, since_us = session
        if ended < 0:
            joules = self._physics.energy_j(i) - base
            closed_us += self._physics.now_us - since_us
        return {
            "socket": i + 1,
            "started": self.unix(started),
            "ended": None if ended < 0 else self.unix(ended),
            "energy_mwh": _mwh(joules),
            "account": account,
            "ended_by": how,
            "closings": closings,
            "closed_s": closed_us // 1000000,
        }

    def save(self):
        """Everything, as JSON can hold it."""
        return {name: getattr(self, name) for name in _KEPT}

    def load(self, saved):
        """What `save` gave."""
        for name in _KEPT:
            setattr(self, name, saved[name])


_KEPT = ("sessions", "_last", "_account", "faults", "faults_lost")


def _mwh(joules):
    return round(joules / 3.6, 3)
