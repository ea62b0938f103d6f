"""Memory that is free goes back to the system, where the C library can do that."""

from types import SimpleNamespace

from app import memory


def test_the_c_library_is_told_to_give_back_all_that_is_free(monkeypatch):
    told = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=told.append))
    memory.give_back()
    assert told == [0]


def test_a_c_library_that_cannot_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace())
    memory.give_back()
