"""Work that waits or runs by the clock: the jobs, their schedule, and the process that runs them.

Imports nothing here: the scheduler needs only the names of the jobs, not the application.
"""
