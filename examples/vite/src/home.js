import { counter } from "./counter.js";

export const home = {
  title: "Home",
  render(main) {
    main.innerHTML = `
      <section class="hero">
        <img class="crane" src="${import.meta.env.BASE_URL}davit.svg" alt="" width="160" height="160" />
        <h1>It floats.</h1>
        <p>
          This page went from a git repository through a build container to
          where you read it now. The button shows that its script came along.
        </p>
        <button type="button" class="counter"></button>
      </section>`;
    counter(main.querySelector(".counter"));
  },
};
