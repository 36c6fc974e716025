export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M6 14c3.3-3 6.7-3 10 0s6.7 3 10 0M6 21c3.3-3 6.7-3 10 0s6.7 3 10 0" />
    </svg>
  );
}
