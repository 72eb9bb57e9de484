"""Sparkplug B 3.0 as a host application: edge nodes are heard on a connection of its own and told in our own words.

The *session* of an edge node says what its messages mean; the *host* speaks with the broker, has every message
translated into a native one and hands it to the recorder's committer. From there on nothing knows of Sparkplug.
"""
