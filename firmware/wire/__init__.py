"""The protocol, once: imported as `wire` on the board and as `zhuque.wire` on the host.

No I/O and relative imports only. Everything another program can see is defined here: names (`codes`), topics
(`topics`), JSON messages (`messages`), journal records and their form on flash (`records`), the two files that
tell a board what it is (`config`), and the arithmetic both sides share (`units`).
"""
