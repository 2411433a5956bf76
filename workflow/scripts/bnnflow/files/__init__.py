"""The files between jobs: whole or absent, and read with distrust."""
