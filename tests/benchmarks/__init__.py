"""How fast it is: ``python -m tests.benchmarks`` measures ours and the alternatives in one run and prints one table.

Each measurement is made in a process of its own, ours and the alternative's in turn; the table shows medians. Nothing
here is collected by pytest.
"""
