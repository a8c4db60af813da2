"""A fuzzer of everything that a user can call: functions, commands and files.

What is called, and with what, is read from signatures: a new function needs no entry.
"""
