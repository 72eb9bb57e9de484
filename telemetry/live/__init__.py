"""Live streams: from the broker to browsers, past the recorder and the store.

One MQTT client per web process, connected when somebody first watches a device and subscribed to watched devices only.
A ring per signal keeps the last values. Ten times a second at most, what is new of a device becomes an edition; every
viewer is an async generator that waits for editions. Viewers who may see the same of the same signals are sent the same
bytes, encoded once. Whoever is slow misses editions, gets the next one from where it stopped, and holds up nobody.

What a viewer gets, as Server-Sent Events:

* `values`: at most ten a second, when there is something new; the first one at once, with what the rings hold, and with
  what is stored of the last minutes if the viewer asks for it:
  `{"t": 1795417200125.0, "values": {"spindle_power_kw": [[1795417200000.5, 1.82], …], "door_open": [[…, true]]}}`.
  `t` is the lab's present, times are settled times, all in milliseconds since 1970; a value is a number, a boolean or a
  text. The times of a signal increase, from event to event too.
* `status`: at once and at every change, `{"broker": true}`; false: this process has lost the broker.
* `end`: the last one. `{"reason": "access"}`: the right to see has ended; do not come back.
  `{"reason": "closing"}`: the server stops; a browser reconnects by itself.

Who may see is asked again every 5 seconds; between that, points and the present itself are held against the granted
spans. A stream ends when the answer is no, when there was none for 9 seconds, and at the end of the granted span.
"""
