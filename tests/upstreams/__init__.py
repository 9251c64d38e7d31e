"""Servers on loopback that play the upstreams, with every fault they are known for."""
